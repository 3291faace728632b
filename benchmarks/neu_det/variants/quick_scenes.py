# Scenes that teachers labeled, in place of half of the samples.
_base_ = './quick_stable.py'

custom_hooks = [
    _base_.averaged_weights,
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        scenes='work_dirs/neu_det_imagenet/scenes',
    ),
]
