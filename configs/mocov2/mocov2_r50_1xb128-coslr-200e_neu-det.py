# The paper's setting on NEU-DET, for one GPU.
_base_ = [
    '../_base_/models/mocov2_r50.py',
    '../_base_/datasets/neu_det_contrastive.py',
    'mmpretrain::_base_/schedules/imagenet_sgd_coslr_200e.py',
    'mmpretrain::_base_/default_runtime.py',
]

default_hooks = dict(
    logger=dict(interval=10), checkpoint=dict(interval=10, max_keep_ckpts=1)
)
randomness = dict(seed=0)
custom_hooks = [
    dict(type='mmdet_ddpm_moco.ExportBackboneHook'),
    dict(
        type='mmdet_ddpm_moco.ContrastiveProgressHook',
        labeled=dict(
            ann_file='data/NEU-DET/annotations/train_20.json',
            img_prefix='data/NEU-DET/images/',
            background=1,
        ),
    ),
]
