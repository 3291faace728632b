# The demo's backbone, from unlabelled plates, the labelled defects and the
# windows of the bank.
_base_ = '../moco/moco_r18_neu_det_cpu.py'

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
                ann_file=data_root + 'annotations/unlabelled.json',
                img_prefix=data_root + 'images/',
                dataset_ids='alone',
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
custom_hooks = _base_.custom_hooks
custom_hooks[1].labelled.ann_file = data_root + 'annotations/train.json'
custom_hooks[1].labelled.img_prefix = data_root + 'images/'
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False)
]
