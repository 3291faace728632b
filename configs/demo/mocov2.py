# The demo's backbone, from unlabeled plates, the labeled defects and the
# windows of the bank.
_base_ = '../mocov2/mocov2_r18_1xb64-coslr-530i_neu-det.py'

data_root = 'data/demo/'
bank = 'work_dirs/demo/bank/'
max_iters = 220

model = dict(
    queue_len=512,
    backbone=dict(stem_channels=32, base_channels=32),
    neck=dict(in_channels=256, hid_channels=256),
)
train_dataloader = dict(
    dataset=dict(
        sources=[
            dict(
                ann_file=data_root + 'annotations/unlabeled.json',
                img_prefix=data_root + 'images/',
                dataset_ids='image',
            ),
            dict(
                ann_file=data_root + 'annotations/train.json',
                img_prefix=data_root + 'images/',
                dataset_ids='class',
                repeat=2,
            ),
            dict(
                ann_file=bank + 'annotations.json',
                img_prefix=bank + 'images/',
                dataset_ids='class',
                crop=False,
            ),
        ]
    )
)
train_cfg = dict(max_iters=max_iters)
custom_hooks = [
    dict(type='mmdet_ddpm_moco.ExportBackboneHook'),
    dict(
        type='mmdet_ddpm_moco.ContrastiveProgressHook',
        labeled=dict(
            ann_file=data_root + 'annotations/train.json',
            img_prefix=data_root + 'images/',
            background=1,
        ),
    ),
]
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False)
]
