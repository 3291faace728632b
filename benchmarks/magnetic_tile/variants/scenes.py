# Samples are swapped for tiles that teachers labeled; how often, experiments
# say.
_base_ = './baseline.py'

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook'),
]
stages = dict(
    root='work_dirs/magnetic_tile',
    teacher=dict(
        unlabeled='data/magnetic-tile/annotations/unlabeled.json',
        options={'train_cfg.max_iters': 720},
    ),
)
