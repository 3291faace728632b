# The same detector with the unlabeled plates, labeled by three teachers.
_base_ = './faster-rcnn_baseline.py'

custom_hooks = [
    _base_.averaged_weights,
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook'),
]
work_dir = 'work_dirs/demo/faster-rcnn_scenes'
stages = dict(
    root='work_dirs/demo',
    teacher=dict(
        unlabeled='data/demo/annotations/unlabeled.json',
        options={'train_cfg.max_iters': 400},
    ),
)
