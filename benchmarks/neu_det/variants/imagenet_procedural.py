# Cheap painted defects: what synthesized ones have to beat.
_base_ = './imagenet_baseline.py'

train_pipeline = _base_.train_pipeline
train_pipeline.insert(2, dict(type='mmdet_ddpm_moco.ProceduralDefectAugment'))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
