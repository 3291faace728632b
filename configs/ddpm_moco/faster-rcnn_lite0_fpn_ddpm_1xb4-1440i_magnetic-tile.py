# The same with a bank: labels are exact masks, and most tiles have no defect
# and take some. It was measured to help.
_base_ = './faster-rcnn_lite0_fpn_1xb4-1440i_magnetic-tile.py'

custom_hooks = [
    _base_.averaged_weights,
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook'),
]
stages = dict(
    root='work_dirs/magnetic_tile',
    generator=dict(config='ddpm/ddpm_unet32_1xb16-3ki_magnetic-tile.py'),
    bank=dict(num=640),
)
