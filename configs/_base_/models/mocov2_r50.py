# MoCo v2 with the dataset-level loss, in the paper's size. Mean, standard
# deviation and channel order are those of mmdet's detectors: a backbone must
# be fine-tuned on what it was trained on.
model = dict(
    type='mmdet_ddpm_moco.DatasetMoCo',
    queue_len=8192,
    feat_dim=128,
    momentum=0.001,  # of the new weights: the literature's 0.999
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        norm_cfg=dict(type='BN'),
        zero_init_residual=False,
    ),
    neck=dict(
        type='MoCoV2Neck',
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
    ),
    head=dict(
        type='mmdet_ddpm_moco.DatasetContrastiveHead',
        loss=dict(
            type='mmdet_ddpm_moco.DatasetContrastiveLoss',
            temperature=0.07,
            # Pulls shots of a class together, but keeps images distinct.
            instance_weight=0.5,
            mask_same_dataset=True,
            # A small data set passes through the queue more than once.
            mask_same_image=True,
        ),
    ),
)
