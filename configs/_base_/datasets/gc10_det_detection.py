_base_ = './neu_det_detection.py'

data_root = 'data/GC10-DET/'
sheets = dict(type='mmdet_ddpm_moco.GC10DETDataset', data_root=data_root)

# 2048 x 1000 pixels, at two thirds.
resize = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
# As there mirrored, never rotated: the rolling direction matters.
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

train_dataloader = dict(dataset=dict(**sheets, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(**sheets, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(**sheets, pipeline=test_pipeline))
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/test.json')
