# Synthesized defects alone.
_base_ = './imagenet_ddpm_moco.py'

custom_hooks = [
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook', bank=f'{_base_.root}/bank')
]
