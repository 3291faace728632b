import time
from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.speed import unet as unet_module
from benchmarks.speed.timing import median_seconds
from benchmarks.speed.unet import (
    compiled_variants,
    unet_arguments,
    unet_rows,
    unet_share,
    variants,
)
from benchmarks.speed.windows import WindowBatch
from helpers.tiny_synthesis import random_unet

NAMES = (
    'fp32',
    'bf16 autocast',
    'channels_last',
    'bf16 autocast, channels_last',
)


@pytest.fixture
def arguments():
    source = torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, 16, 16, generator=source) * 2 - 1
    noise = torch.randn(2, 1, 16, 16, generator=source)
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., 4:9, 5:12] = 1
    return unet_arguments(
        WindowBatch(image, mask, torch.tensor([0, 2]), noise), timestep=39
    )


@torch.no_grad()
def test_each_variant_is_what_its_name_says(arguments):
    unet = random_unet()
    seen = []
    calls = variants(unet, arguments)
    assert tuple(calls) == NAMES
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, out: (
            seen.append((module.weight, inputs[0], out))
            if isinstance(module, nn.Conv2d)
            else None
        )
    )
    last = dict(memory_format=torch.channels_last)
    try:
        for name, call in calls.items():
            seen.clear()
            call()
            reduced, turned = 'bf16' in name, 'channels_last' in name
            assert seen
            for weight, _, out in seen:
                assert out.dtype == (
                    torch.bfloat16 if reduced else torch.float32
                )
                # Where both sides are 1 all layouts are the same.
                if weight.shape[2] > 1 and weight.shape[1] > 1:
                    assert weight.is_contiguous(**last) == turned
            assert seen[0][1].is_contiguous(**last) == turned
    finally:
        hook.remove()


@torch.no_grad()
def test_all_variants_predict_the_same(arguments):
    calls = variants(random_unet(), arguments)
    expected = calls['fp32']()
    assert expected.shape == (2, 1, 16, 16)
    for name, call in calls.items():
        close = 0.05 if 'bf16' in name else 1e-4
        torch.testing.assert_close(
            call().float(), expected, rtol=0, atol=close
        )


def test_rows_have_a_ratio_and_the_true_difference(arguments):
    unet = random_unet()
    rows = unet_rows(unet, arguments, 1, 'cpu')
    assert [row.what for row in rows] == [
        'fp32',
        *(f'{n}{m}' for n in NAMES[1:] for m in ('', ': difference')),
        'torch.compile',
    ]
    assert (rows[-1].value, rows[-1].how) == (None, 'only with --compile')
    assert rows[0].unit == 's' and rows[1].unit == 'x'
    with torch.no_grad():
        calls = variants(unet, arguments)
        off = calls['bf16 autocast']().float() - calls['fp32']()
    assert rows[2].value == pytest.approx(off.abs().max().item(), rel=0.3)
    assert rows[2].value > 1e-4


def test_a_compiler_error_is_reported_in_the_table(arguments, monkeypatch):
    def broken(unet):
        raise RuntimeError('no C++ compiler here\nand a long trace')

    monkeypatch.setattr(unet_module.torch, 'compile', broken)
    rows = unet_rows(random_unet(), arguments, 1, 'cpu', compiled=True)
    for row, name in zip(
        rows[-2:], ('torch.compile', 'torch.compile, bf16 autocast')
    ):
        assert (row.what, row.value) == (name, None)
        assert row.how == 'not available: RuntimeError no C++ compiler here'


def test_compiled_forward_passes_are_timed_and_compared(
    arguments, monkeypatch
):
    class Compiled(nn.Module):
        """Its output is 0.5 off."""

        def __init__(self, unet):
            super().__init__()
            self.unet = unet

        def forward(self, *args, **kwargs):
            output = self.unet(*args, **kwargs)
            output.sample += 0.5
            return output

    def seconds(calls, *_):
        return {name: 2.0**i for i, name in enumerate(calls)}

    monkeypatch.setattr(unet_module.torch, 'compile', Compiled)
    monkeypatch.setattr(unet_module, 'median_seconds', seconds)
    with torch.no_grad():
        found = compiled_variants(random_unet(), arguments)
        assert found['torch.compile']().dtype == torch.float32
    rows = unet_rows(random_unet(), arguments, 1, 'cpu', compiled=True)
    by_name = {row.what: row.value for row in rows}
    # The fifth and sixth of the calls.
    assert by_name['torch.compile'] == 1 / 16
    assert by_name['torch.compile, bf16 autocast'] == 1 / 32
    off = by_name['torch.compile: difference']
    assert off == pytest.approx(0.5, abs=1e-5)
    off = by_name['torch.compile, bf16 autocast: difference']
    assert 1e-5 < abs(off - 0.5) < 0.05


class Sleeper(nn.Module):
    def forward(self, seconds):
        time.sleep(seconds)


@pytest.mark.parametrize(
    ('inside', 'outside', 'low', 'high'),
    [(0.3, 0, 0.5, 1), (0, 0.3, 0, 0.5), (0, None, 0, 0)],
)
def test_the_share_is_of_time_in_the_unet(inside, outside, low, high):
    unet = Sleeper()

    def call():
        if outside is not None:
            unet(inside)
            time.sleep(outside)

    assert low <= unet_share(unet, call) <= high
    assert not unet._forward_hooks and not unet._forward_pre_hooks


def test_calls_to_compare_take_turns_after_a_warm_up():
    order, now = [], 0.0

    def call(name, seconds):
        nonlocal now
        order.append(name)
        now += next(seconds)

    calls = dict(
        a=partial(call, 'a', iter([100, 1, 9, 2])),
        b=partial(call, 'b', iter([200, 5, 3, 4])),
    )
    took = median_seconds(calls, 3, clock=lambda: now)
    assert ''.join(order) == 'ab' * 4
    assert took == dict(a=2, b=4)
