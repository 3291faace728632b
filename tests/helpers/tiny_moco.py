"""A DatasetMoCo small enough for tests, and batches for it."""

import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

CONFIG = dict(
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


def build(seed=0, norm_cfg=None, loss=None, initialize=False, **changes):
    """The tiny model in train mode, its weights drawn with ``seed``."""
    config = {**CONFIG, **changes}
    if norm_cfg:
        config['backbone'] = {**config['backbone'], 'norm_cfg': norm_cfg}
    if loss:
        loss = {**config['head']['loss'], **loss}
        config['head'] = {**config['head'], 'loss': loss}
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(config)
        if initialize:
            model.init_weights()
    return model.train()


def samples(dataset_ids, image_ids):
    """Data samples with these ids."""
    return [
        DataSample(metainfo=dict(dataset_id=d, image_id=i))
        for d, i in zip(dataset_ids, image_ids)
    ]


def batch(number, seed=0, size=32):
    """Two views and samples, each image its own dataset."""
    generator = torch.Generator().manual_seed(seed)
    views = torch.randn(2, number, 3, size, size, generator=generator)
    ids = [seed * 100 + i for i in range(number)]
    return list(views), samples(ids, ids)


def train(model, steps, numbers=(4,)):
    """Steps of training with batches of these sizes; the losses."""
    optimizer = torch.optim.SGD(
        (p for p in model.parameters() if p.requires_grad), lr=0.05
    )
    losses = []
    for step in steps:
        inputs, data = batch(numbers[step % len(numbers)], seed=step)
        loss = model(inputs, data, mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
