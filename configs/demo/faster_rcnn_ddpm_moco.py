# The same detector with synthesised defects and contrastive weights.
_base_ = './faster_rcnn_plain.py'

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
    backbone=dict(config='demo/moco.py'),
)
