# The demo's baseline: a detector from ImageNet, on the few labeled plates.
# Neck and heads are half as wide, so that the demo takes minutes.
_base_ = '../ddpm_moco/faster-rcnn_lite0_fpn_1xb4-2880i_neu-det.py'

model = dict(
    # Images may be of any size, as whole large ones are.
    data_preprocessor=dict(pad_size_divisor=32),
    neck=dict(out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, num_classes=3),
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
test_dataloader = dict(
    dataset=dict(**plates, ann_file=test_annotations, pipeline=test_pipeline)
)
test_evaluator = dict(ann_file=data_root + test_annotations)
# The last weights are tested; there is nothing to choose.
val_dataloader = None
val_evaluator = None
val_cfg = None

train_cfg = dict(max_iters=850)
# Averages over half as many iterations: the run is shorter.
averaged_weights = dict(_base_.averaged_weights, momentum=0.004, gamma=100)
custom_hooks = [averaged_weights]

work_dir = 'work_dirs/demo/faster-rcnn_baseline'
