# The demo's baseline: a detector from scratch, on the few labeled plates. Half
# as wide as ResNet-18, so that the demo takes minutes.
_base_ = '../ddpm_moco/faster-rcnn_r18_fpn_1xb4-720i_neu-det.py'

model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=3),
    ),
)

data_root = 'data/demo/'
plates = dict(
    type='mmdet_ddpm_moco.AluminiumPlateDataset', data_root=data_root
)
resize = dict(_base_.resize, scale=(160, 160))
train_pipeline = [
    _base_.load_image,
    _base_.load_boxes,
    resize,
    _base_.flip,
    _base_.pack_train,
]
test_pipeline = [
    _base_.load_image,
    resize,
    _base_.load_boxes,
    _base_.pack_test,
]
test_annotations = 'annotations/test.json'

train_dataloader = dict(
    dataset=dict(
        **plates,
        ann_file='annotations/train.json',
        pipeline=train_pipeline,
        # Plates that are declared defect-free host synthesized defects.
        filter_cfg=dict(filter_empty_gt=False),
    )
)
val_dataloader = dict(
    dataset=dict(**plates, ann_file=test_annotations, pipeline=test_pipeline)
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + test_annotations)
test_evaluator = val_evaluator

max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]

work_dir = 'work_dirs/demo/baseline'
