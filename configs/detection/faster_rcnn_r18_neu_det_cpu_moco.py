# Contrastive weights alone.
_base_ = './faster_rcnn_r18_neu_det_cpu_ddpm_moco.py'

custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        checkpoint=f'{_base_.root}/moco/backbone.pth',
    )
]
