_base_ = '../moco/moco_r18_neu_det_cpu.py'

data_root = 'data/demo/'
max_epochs = 60

model = dict(
    queue_len=512,
    backbone=dict(stem_channels=32, base_channels=32),
    neck=dict(in_channels=256, hid_channels=256))
train_dataloader = dict(
    dataset=dict(
        sources=[
            dict(
                ann_file=data_root + 'annotations/unlabelled.json',
                img_prefix=data_root + 'images/',
                dataset_ids='alone'),
            dict(
                ann_file=data_root + 'annotations/train.json',
                img_prefix=data_root + 'images/',
                dataset_ids='class'),
        ]))
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
