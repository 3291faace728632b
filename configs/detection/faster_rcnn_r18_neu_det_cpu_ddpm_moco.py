# Both arms together: synthesised defects and contrastive weights.
_base_ = './faster_rcnn_r18_neu_det_cpu.py'

root = 'work_dirs/neu_det_cpu'
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        bank=f'{root}/bank',
        checkpoint=f'{root}/moco/backbone.pth',
    )
]
stages = dict(
    root=root,
    generator=dict(config='ddpm/ddpm_neu_det_cpu.py'),
    bank=dict(
        num=320,
        steps=16,
        mix=dict(add=0.2, replaces=0.75, null=0.05),
    ),
    backbone=dict(config='moco/moco_r18_neu_det_cpu.py'),
)
