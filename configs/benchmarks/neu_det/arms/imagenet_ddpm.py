# Synthesised defects alone.
_base_ = './imagenet_both.py'

custom_hooks = [
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook', bank=f'{_base_.root}/bank')
]
