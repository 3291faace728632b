# The same detector with the unlabeled plates, labeled by three teachers, and a
# backbone that learned the kinds of their defects.
_base_ = './faster-rcnn_baseline.py'

custom_hooks = [
    _base_.averaged_weights,
    # Teachers of few iterations place boxes loosely: labels come last.
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook', scene_end=0.7),
]
work_dir = 'work_dirs/demo/faster-rcnn_scenes-kinds'
stages = dict(
    root='work_dirs/demo',
    teacher=dict(
        unlabeled='data/demo/annotations/unlabeled.json',
        options={'train_cfg.max_iters': 350},
    ),
    backbone=dict(
        config='mocov2/mocov2_lite0_1xb64-coslr-530i_neu-det.py',
        scenes=True,
        options={
            'model.head.loss.instance_weight': 0.0,
            'train_cfg.max_iters': 130,
            'param_scheduler.0.T_max': 130,
        },
    ),
)
