"""Backbones of detectors, trained by contrast and handed over."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules

from helpers.tiny_moco import batch, build
from helpers.tiny_runs import KeepStartHook, TinyDetector, make_runner
from mmdet_ddpm_moco.checkpoints.backbone_file import backbone_file
from mmdet_ddpm_moco.engine.hooks.contrastive_init_hook import (
    ContrastiveInitHook,
)

FOUR = dict(depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1))

# Config in a detector, what contrast changes of it, and its channels.
BACKBONES = dict(
    resnet=(
        dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8),
        dict(out_indices=(3,)),
        64,
    ),
    resnext=(
        dict(
            type='mmdet.ResNeXt',
            depth=50,
            groups=2,
            base_width=2,
            base_channels=8,
            stem_channels=8,
        ),
        dict(out_indices=(3,)),
        256,
    ),
    swin=(
        dict(type='mmdet.SwinTransformer', embed_dims=8, **FOUR),
        dict(out_indices=(3,)),
        64,
    ),
    pvt=(
        dict(
            type='mmdet.PyramidVisionTransformerV2',
            embed_dims=8,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            mlp_ratios=(2, 2, 2, 2),
        ),
        dict(out_indices=(3,)),
        8,
    ),
    convnext=(
        dict(
            type='mmpretrain.ConvNeXt',
            arch=dict(depths=[1, 1, 1, 1], channels=[4, 8, 16, 32]),
            out_indices=[0, 1, 2, 3],
            gap_before_final_norm=False,
        ),
        dict(out_indices=[3]),
        32,
    ),
    cspnext=(
        dict(
            type='mmdet.CSPNeXt',
            deepen_factor=0.167,
            widen_factor=0.125,
            norm_cfg=dict(type='BN'),
        ),
        dict(out_indices=(4,)),
        128,
    ),
    efficientnet=(
        dict(type='mmdet.EfficientNet', arch='b0', out_indices=(3, 4, 5)),
        dict(out_indices=(5,)),
        320,
    ),
    mobilenet=(
        dict(type='mmdet.MobileNetV2', widen_factor=0.25),
        dict(out_indices=(7,)),
        1280,
    ),
    vit=(
        dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(
                embed_dims=16,
                num_layers=2,
                num_heads=2,
                feedforward_channels=32,
            ),
            img_size=32,
            out_type='featmap',
        ),
        {},
        16,
    ),
)


def moco(backbone, channels):
    neck = dict(
        type='MoCoV2Neck',
        in_channels=channels,
        hid_channels=16,
        out_channels=8,
    )
    register_all_modules(init_default_scope=False)
    return build(backbone=copy.deepcopy(backbone), neck=neck)


@pytest.mark.parametrize('name', BACKBONES)
def test_a_detector_starts_from_its_contrast(tmp_path, name):
    config, changes, channels = BACKBONES[name]
    model = moco({**config, **changes}, channels)
    before = copy.deepcopy(model.backbone.state_dict())
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=0.1
    )
    views, samples = batch(4)
    model(views, samples, mode='loss')['loss'].backward()
    optimizer.step()
    trained = model.backbone.state_dict()
    assert any(not torch.equal(before[k], v) for k, v in trained.items())
    file = tmp_path / 'backbone.pth'
    torch.save(backbone_file(model.state_dict(), {}), file)
    detector = TinyDetector(MODELS.build(config))
    hook = ContrastiveInitHook(str(file))
    make_runner(detector, tmp_path / 'run', [hook]).train()
    compared = trained.keys() & KeepStartHook.start.keys()
    assert len(compared) > 0.9 * len(trained)
    for key in compared:
        assert torch.equal(KeepStartHook.start[key], trained[key]), key


@pytest.mark.parametrize(
    ('backbone', 'channels', 'message'),
    [
        (
            dict(
                type='mmdet.ResNet',
                depth=18,
                base_channels=8,
                stem_channels=8,
                out_indices=(2, 3),
            ),
            64,
            'ResNet returns 2 feature maps .* give it out_indices',
        ),
        (
            {**BACKBONES['resnet'][0], 'out_indices': (3,)},
            32,
            r'ResNet returns 64 channels, set model\.neck\.in_channels=64',
        ),
        (
            dict(
                type='mmdet.HRNet',
                extra={
                    f'stage{n}': dict(
                        num_modules=1,
                        num_branches=n,
                        block='BASIC' if n > 1 else 'BOTTLENECK',
                        num_blocks=(1,) * n,
                        num_channels=tuple(4 * 2**i for i in range(n)),
                    )
                    for n in (1, 2, 3, 4)
                },
            ),
            32,
            'HRNet returns 4 feature maps .* take another',
        ),
    ],
    ids=['maps', 'channels', 'hrnet'],
)
def test_what_contrast_cannot_train_is_told_with_the_reason(
    backbone, channels, message
):
    model = moco(backbone, channels)
    with pytest.raises(ValueError, match=message):
        model(*batch(4), mode='loss')
