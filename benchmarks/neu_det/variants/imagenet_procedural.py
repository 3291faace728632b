# Procedural defects, the cheap competitor of synthesized ones.
_base_ = './imagenet_baseline.py'

train_pipeline = [
    _base_.load_image,
    _base_.load_boxes,
    dict(type='mmdet_ddpm_moco.ProceduralDefectAugment'),
    _base_.resize,
    _base_.flip,
    _base_.pack_train,
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
