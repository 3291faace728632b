# Contrastive weights, half of the dataset-level loss, half of InfoNCE.
_base_ = './nothing_plain.py'

root = 'work_dirs/neu_det_nothing'
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        checkpoint=f'{root}/moco/backbone.pth',
    )
]
stages = dict(root=root, backbone=dict(config='../stages/nothing_mix.py'))
