"""ForeachEMA against the averages of MMEngine and mmpretrain."""

import copy
import itertools

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage, MomentumAnnealingEMA
from mmpretrain.models.utils import CosineEMA
from torch import nn

from mmdet_ddpm_moco.models.moving_average import ForeachEMA

KINDS = {
    'plain': (ExponentialMovingAverage, {}),
    'warm': (MomentumAnnealingEMA, dict(gamma=3)),
    'cosine': (CosineEMA, dict(end_momentum=0.01)),
}
STEPS = 6


@pytest.fixture(autouse=True)
def length_of_training():
    hub = MessageHub.get_instance('length_of_training')
    hub.update_info('max_iters', STEPS)
    yield
    MessageHub._instance_dict.pop('length_of_training')


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)
    )


def change(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for value in (*model.parameters(), *model.buffers()):
        if value.is_floating_point():
            value.data.copy_(torch.rand(value.shape, generator=generator))
        else:
            value.add_(1)


def same(first, second, kind):
    """Bit for bit, but for mmpretrain's momentum, which is rounded."""
    first, second = first.state_dict(), second.state_dict()
    assert first.keys() == second.keys()
    tolerance = 1e-6 if kind == 'cosine' else 0
    for name, value in first.items():
        torch.testing.assert_close(
            value, second[name], rtol=tolerance, atol=0, msg=name
        )


@pytest.mark.parametrize(
    ('kind', 'interval', 'buffers'),
    itertools.product(KINDS, (1, 2), (False, True)),
)
def test_equals_the_reference(kind, interval, buffers):
    reference, options = KINDS[kind]
    model = network()
    shared = dict(momentum=0.2, interval=interval, update_buffers=buffers)
    expected = reference(model, **shared, **options)
    found = ForeachEMA(model, **shared, **options)
    for seed in range(STEPS):
        change(model, seed)
        expected.update_parameters(model)
        found.update_parameters(model)
        same(found, expected, kind)
    assert int(found.steps) == STEPS


@pytest.mark.parametrize('kind', KINDS)
def test_checkpoints_load_into_each_other(kind):
    reference, options = KINDS[kind]
    model = network()
    averages = [
        built(model, momentum=0.2, **options)
        for built in (reference, ForeachEMA)
    ]
    for first, second in (averages, averages[::-1]):
        resumed = copy.deepcopy(second)
        for seed in range(2):
            change(model, seed)
            first.update_parameters(model)
        resumed.load_state_dict(first.state_dict())
        change(model, 9)
        first.update_parameters(model)
        resumed.update_parameters(model)
        same(resumed, first, kind)


def test_gradients_are_left_alone():
    model = network()
    average = ForeachEMA(model, momentum=0.2)
    model(torch.rand(1, 3, 8, 8)).sum().backward()
    average.update_parameters(model)
    assert all(p.grad is not None for p in model.parameters())
    assert not any(p.requires_grad for p in average.parameters())


def test_the_number_of_steps_is_read_once():
    model = network()
    average = ForeachEMA(model, momentum=0.2)
    average.update_parameters(model)
    average.steps.fill_(-7)  # would be taken for the first step otherwise
    average.update_parameters(model)
    assert average._steps == 2
