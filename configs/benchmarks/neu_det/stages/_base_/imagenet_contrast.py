# Contrast from ImageNet, on all images of the training part, each its own
# dataset.
_base_ = '../../../../moco/moco_r18_neu_det_cpu.py'

data_root = 'data/NEU-DET-benchmark/'
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        _delete_=True,
        type='mmdet_ddpm_moco.EfficientNetLite',
        out_indices=(5,),
        init_cfg=dict(
            type='Pretrained', checkpoint='package://efficientnet_lite0'
        ),
    ),
    neck=dict(in_channels=320),
)
images = dict(
    ann_file=data_root + 'annotations/train.json',
    img_prefix=data_root + 'images/',
    dataset_ids='alone',
)
train_dataloader = dict(dataset=dict(sources=[images]))
