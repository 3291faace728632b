# Contrastive weights of MoCo v2, which uses no labels.
_base_ = './imagenet_baseline.py'

custom_hooks = [dict(type='mmdet_ddpm_moco.DDPMMoCoHook')]
stages = dict(
    root='work_dirs/neu_det_imagenet',
    backbone=dict(config='../stages/imagenet_moco.py'),
)
