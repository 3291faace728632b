# Both halves of this package: synthesized defects, and contrastive weights
# that start from ImageNet.
_base_ = './imagenet_baseline.py'

root = 'work_dirs/neu_det_imagenet'
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        bank=f'{root}/bank',
        checkpoint=f'{root}/moco/backbone.pth',
    )
]
stages = dict(
    root=root,
    generator=dict(config='../stages/ddpm.py'),
    bank=dict(
        num=320,
        steps=16,
        mix=dict(add=0.2, replaces=0.75, null=0.05),
    ),
    backbone=dict(config='../stages/imagenet_dataset_moco.py'),
)
