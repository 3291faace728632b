"""A convolution that is mmcv's, but faster."""

import pytest
import torch
from mmcv.cnn.bricks import Conv2dAdaptivePadding

from mmdet_ddpm_moco.models.backbones.same_padding_conv import (
    SamePaddingConv2d,
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def maps(*shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return x.to(memory_format=torch.channels_last)


@pytest.mark.parametrize('images', [1, 3, 16])
@pytest.mark.parametrize('size', [(1, 1), (7, 7), (12, 9), (8, 25)])
@pytest.mark.parametrize(
    'kernel, stride, groups',
    [(1, 1, 1), (1, 2, 1), (1, 1, 4), (3, 1, 8), (3, 2, 1), (5, 2, 8)],
)
@pytest.mark.parametrize('bias', [True, False])
def test_computes_what_mmcv_does(images, size, kernel, stride, groups, bias):
    settings = dict(stride=stride, groups=groups, bias=bias, padding=9)
    theirs = Conv2dAdaptivePadding(8, 16, kernel, **settings).double()
    ours = SamePaddingConv2d(8, 16, kernel, **settings).double()
    ours.load_state_dict(theirs.state_dict())
    x = maps(images, 8, *size)
    results = []
    for conv in (theirs, ours):
        inputs = [x.clone().requires_grad_(), *conv.parameters()]
        y = conv(inputs[0])
        results.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    for expected, found in zip(*results, strict=True):
        assert torch.allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize('kernel, padded', [(1, False), (5, False), (5, True)])
def test_channels_stay_last(kernel, padded):
    """Else each block would copy its maps to and fro."""
    conv = SamePaddingConv2d(8, 16, kernel, stride=2 if padded else 1)
    y = conv(maps(4, 8, 12, 12).float())
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_rows_are_taken_where_torch_is_slow():
    conv = SamePaddingConv2d(8, 16, 1)
    assert conv._is_better_by_rows(maps(4, 8, 12, 12))
    # Enough images, too few rows, other memory.
    assert not conv._is_better_by_rows(maps(16, 8, 12, 12))
    assert not conv._is_better_by_rows(maps(2, 8, 3, 3))
    assert not conv._is_better_by_rows(maps(4, 8, 12, 12).contiguous())
    torch.set_num_threads(2)
    assert not conv._is_better_by_rows(maps(4, 8, 12, 12))
