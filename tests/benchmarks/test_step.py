import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from torch import nn

from benchmarks.speed import step as step_module
from benchmarks.speed.moco_variants import (
    build_mmpretrain,
    build_ours,
    random_batch,
    training_step,
)
from benchmarks.speed.step import backbone_share, queue_copies
from helpers.tiny_pretrain import MODEL, OPTIM


class Clock:
    """Advances only while something sleeps."""

    now = 0.0

    @classmethod
    def sleep(cls, seconds):
        cls.now += seconds

    @classmethod
    def read(cls):
        return cls.now


class Sleep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs, seconds):
        Clock.sleep(seconds)
        ctx.seconds = seconds
        return inputs.clone()

    @staticmethod
    def backward(ctx, grad):
        Clock.sleep(ctx.seconds)
        return grad, None


class Sleeper(nn.Module):
    """A backbone of one weight that sleeps in forward and backward."""

    def __init__(self, seconds):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.seconds = seconds

    def forward(self, inputs):
        return (Sleep.apply(inputs * self.weight, self.seconds),)


class SleepingMoCo(nn.Module):
    def __init__(self, inside, outside):
        super().__init__()
        self.backbone = Sleeper(inside)
        self.encoder_k = nn.Module()
        self.encoder_k.module = nn.Sequential(Sleeper(inside))
        self.outside = outside


@pytest.mark.parametrize(
    ('inside', 'outside', 'share'), [(0.1, 0.1, 0.5), (0.1, 0, 1)]
)
def test_the_share_is_of_both_backbones_on_both_ways(
    inside, outside, share, monkeypatch
):
    monkeypatch.setattr(step_module, 'fair_clock', lambda _: Clock.read)
    model = SleepingMoCo(inside, outside)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))

    def step():
        # Inside are query, keys and backward; outside are as many spans.
        Clock.sleep(outside)
        query = model.backbone(torch.ones(1))[0]
        Clock.sleep(outside)
        with torch.no_grad():
            model.encoder_k.module(torch.ones(1))
        wrapper.update_params(Sleep.apply(query, outside / 2).sum())

    found = backbone_share(model, step, wrapper)
    assert found == pytest.approx(share)
    assert 'backward' not in vars(wrapper)
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_copies_of_the_queue_are_counted():
    # As many logits as the queue has numbers: they are no copy.
    config = {**MODEL, 'feat_dim': 8}
    data = random_batch(8, (32, 32))
    found = {}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for build in (build_ours, build_mmpretrain):
            model = build(config)
            step, _ = training_step(model, OPTIM, data)
            step()
            found[build] = queue_copies(model, step)
    assert found[build_ours] == 0
    assert found[build_mmpretrain] >= 1


def test_all_variants_have_the_same_settings():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        ours, theirs = build_ours(MODEL), build_mmpretrain(MODEL)
    assert theirs.queue.shape == ours.queue.shape
    assert theirs.encoder_k.momentum == ours.encoder_k.momentum == 0.1
    assert theirs.head.temperature == 0.07
    for mine, other in (
        (ours.backbone, theirs.backbone),
        (ours.neck, theirs.neck),
    ):
        shapes = [
            {k: v.shape for k, v in m.state_dict().items()}
            for m in (mine, other)
        ]
        assert shapes[0] == shapes[1]
