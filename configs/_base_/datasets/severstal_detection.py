_base_ = './neu_det_detection.py'

data_root = 'data/severstal/'
sheets = dict(type='mmdet_ddpm_moco.SeverstalDataset', data_root=data_root)

# With masks, which its board takes; all images have this size.
load_boxes = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
resize = dict(type='Resize', scale=(1600, 256), keep_ratio=True)
# As there mirrored, never rotated: the rolling direction matters.
train_pipeline = [
    _base_.load_image,
    load_boxes,
    resize,
    _base_.flip,
    _base_.pack_train,
]
test_pipeline = [_base_.load_image, resize, load_boxes, _base_.pack_test]

train_dataloader = dict(
    dataset=dict(
        **sheets,
        pipeline=train_pipeline,
        # Half of the sheets have no defect, which is to be learned too.
        filter_cfg=dict(filter_empty_gt=False),
    )
)
val_dataloader = dict(dataset=dict(**sheets, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(**sheets, pipeline=test_pipeline))
val_evaluator = dict(
    ann_file=data_root + 'annotations/val.json', metric=['bbox', 'segm']
)
test_evaluator = dict(
    ann_file=data_root + 'annotations/test.json', metric=['bbox', 'segm']
)
