# Classification of the training images by their folder names, with the
# schedule of the contrast and as many views.
_base_ = './imagenet_weak_labels.py'

views = _base_.two_views
train_dataloader = dict(
    # A pair of contrast is two views.
    batch_size=128,
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='mmdet_ddpm_moco.CropToSample',
                window=views.window,
            ),
            dict(
                type='RandomResizedCrop',
                scale=views.scale,
                crop_ratio_range=views.crop_ratio_range,
            ),
            dict(
                type='RandomApply',
                transforms=[
                    dict(
                        type='ColorJitter',
                        brightness=0.4,
                        contrast=0.4,
                        backend='cv2',
                    )
                ],
                prob=0.8,
            ),
            dict(
                type='GaussianBlur',
                magnitude_range=views.sigma_range,
                magnitude_std='inf',
                prob=0.5,
            ),
            dict(
                type='RandomFlip',
                prob=list(views.flips.values()),
                direction=list(views.flips),
            ),
            dict(
                type='KeyMapper',
                mapping=dict(kind='dataset_id'),
                remapping=dict(kind='gt_label'),
            ),
            dict(type='PackInputs'),
        ],
    ),
)
model = dict(
    _delete_=True,
    type='ImageClassifier',
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
    backbone=_base_.model.backbone,
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=6, in_channels=320),
)
