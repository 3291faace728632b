# MoCo that two CPU cores train in some minutes.
_base_ = './moco_r50_neu_det.py'

model = dict(
    queue_len=1024,
    # A short run: the key encoder must follow within tens of steps.
    momentum=0.01,
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
)

train_pipeline = _base_.train_pipeline
train_pipeline[2].transforms[0][0].scale = 64
# At this size, two pixels of blur would wipe the defects out.
train_pipeline[2].transforms[0][2].magnitude_range = (0.1, 1.0)
train_dataloader = dict(
    batch_size=64, num_workers=1, dataset=dict(pipeline=train_pipeline)
)

max_epochs = 30
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
optim_wrapper = dict(type='mmdet_ddpm_moco.Bf16OptimWrapper')
