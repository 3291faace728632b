_base_ = './neu_det_detection.py'

data_root = 'data/magnetic-tile/'
tiles = dict(type='mmdet_ddpm_moco.MagneticTileDataset', data_root=data_root)

# Sides are 100 to 630 pixels. At this size, chosen for a CPU, half of the
# blowholes are at least 11 pixels wide. A GPU affords more.
resize = dict(type='Resize', scale=(320, 320), keep_ratio=True)
# As there mirrored, never rotated: the grinding direction matters.
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

train_dataloader = dict(
    dataset=dict(
        **tiles,
        pipeline=train_pipeline,
        # Most tiles have no defect, which is to be learned too.
        filter_cfg=dict(filter_empty_gt=False),
    )
)
val_dataloader = dict(dataset=dict(**tiles, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(**tiles, pipeline=test_pipeline))
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/test.json')
