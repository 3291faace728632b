# A ResNet-18 in minutes on two CPU cores.
_base_ = './mocov2_r50_1xb128-coslr-200e_neu-det.py'

model = dict(
    queue_len=1024,
    # A short run: the key encoder must follow within tens of steps.
    momentum=0.01,
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
)

two_views = dict(
    _base_.two_views,
    scale=64,
    # Shrunk to a view of 64 pixels, whole images would show the metal at a
    # third of the scale that a detector sees it at.
    window=96,
    # At this size, two pixels of blur would wipe the defects out.
    sigma_range=(0.1, 1.0),
)
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(pipeline=[two_views, _base_.pack_inputs]),
)

# 33,920 pairs, independent of the size of the sources.
max_iters = 530
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False)
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=100))
log_processor = dict(by_epoch=False)
optim_wrapper = dict(type='mmdet_ddpm_moco.Bf16OptimWrapper')
