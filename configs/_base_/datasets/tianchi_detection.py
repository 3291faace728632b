_base_ = './neu_det_detection.py'

data_root = 'data/tianchi/'
profiles = dict(
    type='mmdet_ddpm_moco.TianchiAluminiumDataset', data_root=data_root
)

# 2560 x 1920 pixels, at half: dirty spots are small.
resize = dict(type='Resize', scale=(1333, 1000), keep_ratio=True)
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
        **profiles,
        pipeline=train_pipeline,
        # A part of the profiles is declared defect-free.
        filter_cfg=dict(filter_empty_gt=False),
    )
)
val_dataloader = dict(dataset=dict(**profiles, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(**profiles, pipeline=test_pipeline))
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/test.json')
