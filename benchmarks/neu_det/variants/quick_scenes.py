# Scenes that teachers labeled, in place of half of the samples: there are more
# of them than labeled images.
_base_ = './quick_stable.py'

custom_hooks = [
    _base_.averaged_weights,
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook'),
]
stages = dict(
    root='work_dirs/neu_det_quick',
    teacher=dict(
        unlabeled='data/NEU-DET-benchmark/annotations/train.json',
        options={'train_cfg.max_iters': 1440},
    ),
)
