# Contrastive weights of MoCo v2, which uses no labels.
_base_ = './scratch_baseline.py'

root = 'work_dirs/neu_det_scratch'
# Named, because an experiment adds a bank that only the contrast sees.
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        checkpoint=f'{root}/moco/backbone.pth',
    )
]
stages = dict(root=root, backbone=dict(config='../stages/scratch_moco.py'))
