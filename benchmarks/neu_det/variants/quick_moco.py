# A backbone pretrained by contrast on the training images, from ImageNet.
_base_ = './quick_stable.py'

custom_hooks = [
    _base_.averaged_weights,
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook'),
]
stages = dict(
    root='work_dirs/neu_det_quick',
    backbone=dict(config='../stages/imagenet_moco.py'),
)
