"""Contrastive training, as small as it gets."""

from mmengine.config import Config
from tiny_synthesis import write_images

MODEL = dict(
    type='mmdet_ddpm_moco.DatasetMoCo',
    queue_len=16,
    feat_dim=8,
    momentum=0.1,
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=8,
        base_channels=8,
        norm_cfg=dict(type='BN'),
        zero_init_residual=False,
    ),
    neck=dict(
        type='MoCoV2Neck', in_channels=64, hid_channels=16, out_channels=8
    ),
    head=dict(
        type='mmdet_ddpm_moco.DatasetContrastiveHead',
        loss=dict(type='mmdet_ddpm_moco.DatasetContrastiveLoss'),
    ),
)
OPTIM = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))


def write_pretrain(root, **changes):
    """A config file of three images; ``changes`` are top-level settings."""
    ann_file, folder = write_images(root / 'data')
    source = dict(
        ann_file=str(ann_file), img_prefix=str(folder), dataset_ids='alone'
    )
    dataset = dict(
        type='mmdet_ddpm_moco.ContrastiveDataset',
        sources=[source],
        pipeline=[dict(type='mmdet_ddpm_moco.TwoViews', scale=32)],
    )
    config = dict(
        model=MODEL,
        optim_wrapper=OPTIM,
        train_dataloader=dict(batch_size=4, dataset=dataset),
        **changes,
    )
    file = root / 'moco.py'
    Config(config).dump(file)
    return file
