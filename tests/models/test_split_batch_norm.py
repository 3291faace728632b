import copy

import pytest
import torch
from torch import nn

from helpers import tiny_moco
from mmdet_ddpm_moco.models.split_batch_norm import (
    SplitBatchNorm,
    split_batch_norm,
)


def randomized(**kwargs):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3, **kwargs)
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize('with_grad', [False, True])
@pytest.mark.parametrize(
    ('number', 'splits', 'sizes'),
    [
        (8, 4, [2, 2, 2, 2]),
        (9, 4, [3, 2, 2, 2]),
        (5, 8, [3, 2]),
        (3, 8, [3]),
        (6, 1, [6]),
    ],
)
@pytest.mark.parametrize('kwargs', [{}, dict(affine=False, momentum=None)])
@pytest.mark.parametrize(
    'layout', ['contiguous_format', 'channels_last', 'another']
)
def test_each_part_is_normalized_by_itself(
    with_grad, number, splits, sizes, kwargs, layout
):
    slow = randomized(**kwargs)
    fast = split_batch_norm(copy.deepcopy(slow), splits)
    images = torch.randn(number, 3, 4, 5) * 3 + 1
    if layout == 'another':
        images = images.transpose(2, 3)
    else:
        images = images.contiguous(memory_format=getattr(torch, layout))
    with torch.set_grad_enabled(with_grad):
        expected = torch.cat([slow(part) for part in images.split(sizes)])
        found = fast(images)
    torch.testing.assert_close(found, expected)
    for name, value in slow.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[name], value)
    assert found.requires_grad == (with_grad and slow.affine)
    if with_grad and slow.affine:
        (grads,) = torch.autograd.grad((found**3).sum(), fast.weight)
        (slow_grads,) = torch.autograd.grad((expected**3).sum(), slow.weight)
        torch.testing.assert_close(grads, slow_grads)


def test_in_evaluation_the_running_statistics_count():
    slow = randomized()
    slow(torch.randn(8, 3, 4, 5))
    fast = split_batch_norm(copy.deepcopy(slow), 4).eval()
    images = torch.randn(8, 3, 4, 5)
    torch.testing.assert_close(fast(images), slow.eval()(images))


def test_a_model_keeps_its_tensors_and_their_names():
    model = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    )
    before = dict(model.state_dict(keep_vars=True))
    assert split_batch_norm(model, 4) is model
    after = dict(model.state_dict(keep_vars=True))
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert isinstance(model[1][0], SplitBatchNorm)
    assert isinstance(model[1][1], nn.ReLU)


def test_channels_last_is_the_default_and_changes_the_layout_alone():
    losses, layouts = [], []
    for choice in (dict(channels_last=False), {}):
        model = tiny_moco.build(**choice)
        for weight in (
            model.backbone.layer1[0].conv1.weight,
            model.encoder_k.module[0].layer1[0].conv1.weight,
        ):
            layouts.append(
                weight.is_contiguous(memory_format=torch.channels_last)
            )
        torch.manual_seed(1)
        inputs, data = tiny_moco.batch(8)
        losses.append(model(inputs, data, mode='loss')['loss'])
    assert layouts == [False, False, True, True]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-4)
