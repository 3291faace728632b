# Contrastive weights alone, of the dataset-level loss.
_base_ = './imagenet_ddpm_moco.py'

custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        checkpoint=f'{_base_.root}/moco/backbone.pth',
    )
]
