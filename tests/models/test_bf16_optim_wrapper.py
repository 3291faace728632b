import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from helpers.tiny_ddpm import batch, build
from mmdet_ddpm_moco.models.bf16_optim_wrapper import Bf16OptimWrapper


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 1)

    def forward(self, x):
        self.dtype = self.linear(x).dtype
        return self.linear(x).float().sum()


def test_bf16_wrapper_runs_the_forward_pass_only_in_bfloat16():
    model = Linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(
        dict(type='mmdet_ddpm_moco.Bf16OptimWrapper', optimizer=optimizer)
    )
    assert isinstance(wrapper, Bf16OptimWrapper)
    before = model.linear.weight.detach().clone()
    with wrapper.optim_context(model):
        loss = model(torch.ones(2, 4))
    assert model.dtype == torch.bfloat16
    model(torch.ones(2, 4))
    assert model.dtype == torch.float32
    wrapper.update_params(loss)
    assert model.linear.weight.dtype == torch.float32
    torch.testing.assert_close(model.linear.weight, before - 0.2)


def test_bf16_wrapper_leaves_autocast_after_an_error():
    model = Linear()
    wrapper = Bf16OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(RuntimeError), wrapper.optim_context(model):
        model(torch.ones(2, 3))
    assert not torch.is_autocast_cpu_enabled()


def test_bf16_wrapper_accumulates_as_the_plain_one_does():
    weights = []
    for kind in (OptimWrapper, Bf16OptimWrapper):
        torch.manual_seed(0)
        model = Linear()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        wrapper = kind(optimizer, accumulative_counts=2)
        for _ in range(2):
            with wrapper.optim_context(model):
                loss = model(torch.ones(2, 4))
            wrapper.update_params(loss)
        weights.append(model.linear.weight.detach())
    torch.testing.assert_close(*weights)


def test_training_in_bfloat16_keeps_to_the_loss():
    model = build()
    data = batch(2)
    losses = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for kind in (OptimWrapper, Bf16OptimWrapper):
        torch.manual_seed(3)
        with kind(optimizer).optim_context(model):
            losses.append(model(**data, mode='loss')['loss'])
    assert losses[1].dtype == torch.float32
    assert losses[0] != losses[1]
    torch.testing.assert_close(*losses, rtol=0.05, atol=0)
