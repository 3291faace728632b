# Contrastive weights of plain MoCo v2, which knows no labels.
_base_ = './scratch_baseline.py'

root = 'work_dirs/neu_det_nothing'
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        checkpoint=f'{root}/moco/backbone.pth',
    )
]
stages = dict(root=root, backbone=dict(config='../stages/scratch_moco.py'))
