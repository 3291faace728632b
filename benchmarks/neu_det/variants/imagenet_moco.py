# Contrastive weights of plain MoCo v2, which knows no labels.
_base_ = './imagenet_baseline.py'

root = 'work_dirs/neu_det_imagenet'
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        checkpoint=f'{root}/moco/backbone.pth',
    )
]
stages = dict(root=root, backbone=dict(config='../stages/imagenet_moco.py'))
