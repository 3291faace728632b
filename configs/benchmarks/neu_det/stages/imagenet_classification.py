# Classification of the training images by their folder names, with the
# schedule of the contrast and as many views.
_base_ = './imagenet_weak_labels.py'

loading = _base_.train_pipeline[:2]
view = _base_.train_pipeline[2].transforms[0]
# A pair of contrast is two views.
train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        pipeline=[
            *loading,
            *view,
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
