# A short run from few images: AdamW, warmed up, cosine.
max_iters = 720

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
# Longer schedules change the end of `cosine` only.
warmup = dict(type='LinearLR', start_factor=0.05, by_epoch=False, end=60)
cosine = dict(
    type='CosineAnnealingLR',
    by_epoch=False,
    begin=60,
    end=max_iters,
    eta_min=5e-6,
)
param_scheduler = [warmup, cosine]
randomness = dict(seed=0)
