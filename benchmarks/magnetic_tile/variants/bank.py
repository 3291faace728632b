# Synthesized defects: most labeled tiles have none and take some.
_base_ = './baseline.py'

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook'),
]
stages = dict(
    root='work_dirs/magnetic_tile',
    generator=dict(config='ddpm/ddpm_unet32_1xb16-3ki_magnetic-tile.py'),
    bank=dict(num=640, num_inference_steps=20),
)
