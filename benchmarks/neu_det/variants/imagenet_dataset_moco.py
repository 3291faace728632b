# Contrastive weights alone, of the dataset-level loss. All stages stay in the
# config, so that the runs of a seed share them.
_base_ = './imagenet_ddpm_moco.py'

custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        checkpoint=f'{_base_.stages.root}/moco/backbone.pth',
    )
]
