# Synthesized defects alone.
_base_ = './faster-rcnn_r18_fpn_ddpm-moco_1xb4-720i_neu-det.py'

custom_hooks = [
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook', bank=f'{_base_.root}/bank')
]
