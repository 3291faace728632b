# What every generator's training shares.
default_scope = 'mmengine'
randomness = dict(seed=0)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-4, weight_decay=0.0),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=200)
]

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=500, max_keep_ckpts=1
    ),
)
custom_hooks = [
    # The gamma warms the average up: after n updates it reaches about
    # n / 50 of them back, never further than 1 / momentum.
    dict(
        type='EMAHook',
        ema_type='mmdet_ddpm_moco.ForeachEMA',
        momentum=0.001,
        gamma=50,
    ),
    dict(type='mmdet_ddpm_moco.ExportGeneratorHook'),
    dict(type='mmdet_ddpm_moco.SampleGridHook'),
]
log_processor = dict(by_epoch=False)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='mmdet_ddpm_moco.DefectWindowDataset'),
)
train_cfg = dict(by_epoch=False)
