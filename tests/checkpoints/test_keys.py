import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.backbones import SwinTransformer
from mmengine.registry import DefaultScope
from mmpretrain.models.backbones import SwinTransformer as PretrainSwin
from mmpretrain.registry import MODELS as PRETRAIN_MODELS
from torch import nn

from helpers.tiny_runs import random_weights, resnet
from mmdet_ddpm_moco.checkpoints.keys import map_backbone_keys

TARGET = resnet().state_dict()
WEIGHTS = random_weights(resnet())


def prefixed(prefix, weights):
    return {prefix + key: value for key, value in weights.items()}


def assert_all_taken(source, target=TARGET, weights=WEIGHTS):
    found, report = map_backbone_keys(source, target)
    assert list(found) == list(target)
    for key in target:
        assert torch.equal(found[key], weights[key]), key
    assert report.coverage == 1
    assert report.missing == ()
    assert report.wrong_shape == {}
    assert report.surplus == ()
    assert report.fits(1)
    return report


FC = dict(weight=torch.ones(3, 3), bias=torch.ones(3))
OTHER = random_weights(resnet(), seed=1)


@pytest.mark.parametrize(
    ('prefix', 'others', 'unexpected'),
    [
        ('', prefixed('fc.', FC), ('fc.weight', 'fc.bias')),
        ('backbone.', prefixed('neck.', FC), ()),
        ('backbone.', prefixed('encoder_k.module.0.', OTHER), ()),
        ('backbone.', prefixed('target_net.module.0.', OTHER), ()),
        ('module.encoder_q.', prefixed('module.encoder_k.', OTHER), ()),
        (
            'module.base_encoder.',
            {
                **prefixed('module.momentum_encoder.', OTHER),
                **prefixed('module.base_encoder.fc.0.', FC),
            },
            ('fc.0.weight', 'fc.0.bias'),
        ),
        ('student.backbone.', prefixed('teacher.backbone.', OTHER), ()),
        ('online_encoder.net.', prefixed('ema.net.', OTHER), ()),
        ('model.module.net.', {}, ()),
    ],
)
@pytest.mark.parametrize('others_first', [True, False])
def test_known_wrappings(prefix, others, unexpected, others_first):
    parts = [prefixed(prefix, WEIGHTS), others]
    first, second = parts[::-1] if others_first else parts
    report = assert_all_taken({**first, **second})
    assert report.prefix == prefix
    assert report.unexpected == unexpected


@settings(max_examples=30, deadline=None)
@given(
    prefix=st.lists(
        st.text('abcnet_0147', min_size=1, max_size=8), max_size=3
    ).map(lambda parts: ''.join(f'{part}.' for part in parts)),
    order=st.randoms(use_true_random=False),
)
def test_any_wrapping_in_any_order(prefix, order):
    items = list(prefixed(prefix, WEIGHTS).items())
    order.shuffle(items)
    assert_all_taken(dict(items))


def test_torchvision_resnet():
    theirs = torchvision.models.resnet18()
    weights = random_weights(theirs)
    target = resnet(width=64).state_dict()
    report = assert_all_taken(weights, target, weights)
    assert report.unexpected == ('fc.weight', 'fc.bias')


def test_lightly_sequential_of_children():
    theirs = torchvision.models.resnet18()
    weights = random_weights(theirs)
    theirs.load_state_dict(weights)
    wrapped = nn.Module()
    wrapped.backbone = nn.Sequential(*list(theirs.children())[:-1])
    wrapped.backbone_momentum = nn.Sequential(
        *list(torchvision.models.resnet18().children())[:-1]
    )
    target = resnet(width=64).state_dict()
    report = assert_all_taken(wrapped.state_dict(), target, weights)
    assert report.prefix == 'backbone.'


def test_mmpretrain_moco_gives_the_query_backbone():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        moco = PRETRAIN_MODELS.build(
            dict(
                type='MoCo',
                backbone=dict(
                    type='ResNet',
                    depth=18,
                    stem_channels=8,
                    base_channels=8,
                ),
                neck=dict(
                    type='MoCoV2Neck',
                    in_channels=64,
                    hid_channels=8,
                    out_channels=8,
                ),
                head=dict(
                    type='ContrastiveHead',
                    loss=dict(type='CrossEntropyLoss'),
                ),
                queue_len=8,
                feat_dim=8,
            )
        )
    moco.backbone.load_state_dict(WEIGHTS)
    report = assert_all_taken(moco.state_dict())
    assert report.prefix == 'backbone.'


def test_mmpretrain_swin_into_mmdet_swin():
    theirs = PretrainSwin(
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1])
    )
    ours = SwinTransformer(
        embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)
    )
    found, report = map_backbone_keys(
        prefixed('backbone.', theirs.state_dict()), ours.state_dict()
    )
    # mmdet normalizes each stage's output, mmpretrain the last one's.
    assert report.missing == tuple(
        f'norm{i}.{name}' for i in range(3) for name in ('weight', 'bias')
    )
    assert report.fits(0.95)
    assert report.wrong_shape == {}
    assert len(found) == len(ours.state_dict()) - 6


def test_coverage_counts_elements_without_counters():
    target = resnet().state_dict()
    source = {k: v for k, v in WEIGHTS.items() if not k.startswith('layer4')}
    _, report = map_backbone_keys(source, target)
    kept, total = 0, 0
    for key, value in target.items():
        if 'num_batches_tracked' in key:
            continue
        total += value.numel()
        kept += 0 if key.startswith('layer4') else value.numel()
    assert report.coverage == pytest.approx(kept / total, abs=1e-12)
    assert not any('num_batches' in key for key in report.missing)
    assert not report.fits(0.95)
    assert 'lacks' in report.likely_cause()


@pytest.mark.parametrize(
    ('source', 'target', 'cause'),
    [
        (resnet(34), resnet(18), 'deeper'),
        (resnet(101), resnet(50), 'deeper'),
        (resnet(18), resnet(34), 'shallower'),
        (resnet(50), resnet(18), 'another shape'),
        (resnet(18, width=16), resnet(18), '16x3x7x7 in the file and 8x3x7x7'),
        (nn.Sequential(nn.Linear(3, 3)), resnet(), 'hardly a name matches'),
    ],
)
def test_another_network_does_not_fit(source, target, cause):
    found, report = map_backbone_keys(
        prefixed('backbone.', source.state_dict()), target.state_dict()
    )
    assert not report.fits(0.95)
    assert cause in report.likely_cause()
    for key, value in found.items():
        assert value.shape == target.state_dict()[key].shape


def test_three_stages_of_four_are_the_same_network():
    target = resnet(
        num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,)
    ).state_dict()
    _, report = map_backbone_keys(WEIGHTS, target)
    assert report.fits(1)
    assert len(report.unexpected) == sum('layer4' in key for key in WEIGHTS)


def test_the_summary_has_every_count():
    source = prefixed('backbone.', WEIGHTS)
    del source['backbone.conv1.weight']
    source['backbone.bn1.weight'] = torch.ones(3)
    source['backbone.fc.weight'] = torch.ones(3)
    _, report = map_backbone_keys(source, TARGET)
    assert str(report) == (
        f"prefix 'backbone.', loaded {len(TARGET) - 2}, "
        'missing 1 (conv1.weight), unexpected 1 (fc.weight), '
        f'wrong shape 1 (bn1.weight), coverage {100 * report.coverage:.2f} %'
    )
