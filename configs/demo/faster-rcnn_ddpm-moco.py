# The same detector with synthesized defects and contrastive weights.
_base_ = './faster-rcnn_baseline.py'

root = 'work_dirs/demo'
work_dir = f'{root}/ddpm_moco'
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        bank=f'{root}/bank',
        checkpoint=f'{root}/moco/backbone.pth',
    )
]
stages = dict(
    root=root,
    generator=dict(config='demo/ddpm.py'),
    bank=dict(num=200, max_window=96, steps=16),
    backbone=dict(config='demo/mocov2.py'),
)
