"""Kinds of device, and what they mean for sampled windows."""

import os
import platform
import subprocess
import sys

import pytest
import torch
from torch.torch_version import TorchVersion

from mmdet_ddpm_moco.utils import rng
from mmdet_ddpm_moco.utils.rng import device_kind

x86 = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='is about x86 instructions'
)


@pytest.fixture(autouse=True)
def no_limit(monkeypatch):
    for name in ('ONEDNN_MAX_CPU_ISA', 'DNNL_MAX_CPU_ISA'):
        monkeypatch.delenv(name, raising=False)


def supports(monkeypatch, *names):
    for name in ('avx2', 'avx512', 'avx512_bf16', 'amx_tile'):
        # torch 2.1 has none of them.
        monkeypatch.setattr(
            torch.cpu,
            f'_is_{name}_supported',
            lambda x=name: x in names,
            raising=False,
        )


@x86
def test_the_best_instructions_name_a_cpu(monkeypatch):
    for names, expected in (
        ((), 'cpu sse41'),
        (('avx2',), 'cpu avx2'),
        (('avx2', 'avx512'), 'cpu avx512'),
        (('avx2', 'avx512', 'avx512_bf16'), 'cpu avx512_bf16'),
        (('avx2', 'avx512', 'avx512_bf16', 'amx_tile'), 'cpu amx'),
    ):
        supports(monkeypatch, *names)
        assert device_kind('cpu') == expected


@x86
@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('AVX2', 'cpu avx2'),
        ('avx512_core_vnni', 'cpu avx512'),
        ('AVX512_CORE_BF16', 'cpu avx512_bf16'),
        ('AVX512_CORE_AMX', 'cpu avx512_bf16'),  # no more than there is
        ('ALL', 'cpu avx512_bf16'),
        ('', 'cpu avx512_bf16'),
    ],
)
def test_onednn_may_be_limited(monkeypatch, value, expected):
    supports(monkeypatch, 'avx2', 'avx512', 'avx512_bf16')
    monkeypatch.setenv('ONEDNN_MAX_CPU_ISA', value)
    assert device_kind('cpu') == expected


@x86
@pytest.mark.parametrize(
    ('flags', 'expected'),
    [
        ('sse4_1 avx', 'cpu sse41'),
        ('sse4_1 avx avx2', 'cpu avx2'),
        ('avx2 avx512f avx512vl avx512_vnni', 'cpu avx512'),
        ('avx2 avx512f avx512vl avx512_bf16', 'cpu avx512_bf16'),
        ('avx2 avx512vl avx512_bf16 amx_tile', 'cpu amx'),
        (None, 'cpu sse41'),
    ],
)
def test_linux_tells_where_torch_does_not(
    monkeypatch, tmp_path, flags, expected
):
    for name in ('avx2', 'avx512', 'avx512_bf16', 'amx_tile'):
        monkeypatch.delattr(torch.cpu, f'_is_{name}_supported', raising=False)
    info = tmp_path / 'cpuinfo'
    if flags is not None:
        info.write_text(f'processor\t: 0\nflags\t\t: fpu {flags}\n')
    monkeypatch.setattr(rng, '_CPU_INFO', info)
    assert device_kind('cpu') == expected


@x86
@pytest.mark.skipif(
    sys.platform != 'linux'
    or not hasattr(torch.cpu, '_is_amx_tile_supported'),
    reason='compares Linux with a torch that tells',
)
def test_linux_and_torch_tell_the_same(monkeypatch):
    told = device_kind('cpu')
    for name in ('avx2', 'avx512', 'avx512_bf16', 'amx_tile'):
        monkeypatch.delattr(torch.cpu, f'_is_{name}_supported')
    assert device_kind('cpu') == told


def test_other_processors(monkeypatch):
    monkeypatch.setattr(rng.platform, 'machine', lambda: 'aarch64')
    assert device_kind('cpu') == 'cpu aarch64'


def test_a_card_is_named(monkeypatch):
    monkeypatch.setattr(
        torch.cuda, 'get_device_name', lambda device: f'card of {device}'
    )
    assert device_kind('cuda:1') == 'cuda card of cuda:1'


SAMPLE = """
import sys
import torch
from helpers.tiny_banks import random_unet, v_schedule
from mmdet_ddpm_moco.synthesis import samplers
from mmdet_ddpm_moco.utils.rng import device_kind
torch.set_num_threads(1)
source = torch.Generator().manual_seed(0)
image = torch.rand(2, 1, 32, 32, generator=source) * 2 - 1
noise = torch.randn(2, 1, 32, 32, generator=source)
mask = torch.zeros(2, 1, 32, 32)
mask[:, :, 8:24, 8:24] = 1
unet = random_unet(block_out_channels=(32, 32))
unet = unet.eval().to(memory_format=torch.channels_last)
sampler = samplers.build_sampler('dpmsolver++', v_schedule())
windows = samplers.sample_windows(
    unet, sampler, image, mask, torch.arange(2), noise, num_inference_steps=4
)
torch.save((device_kind('cpu'), windows), sys.argv[1])
"""


def sampled(folder, limit):
    file = folder / f'{limit}.pth'
    env = {
        **os.environ,
        'ONEDNN_MAX_CPU_ISA': limit,
        'PYTHONPATH': os.pathsep.join(filter(None, sys.path)),
    }
    subprocess.run([sys.executable, '-c', SAMPLE, file], env=env, check=True)
    return torch.load(file)


@x86
@pytest.mark.slow
def test_a_kind_samples_the_same_bits(tmp_path):
    """And kinds that do not are told apart: this is why banks keep it."""
    kinds = {}
    limits = ['AVX512_CORE', 'AVX512_CORE_VNNI', 'ALL']
    # torch 2.1 asks the processor alone whether oneDNN has bfloat16.
    if TorchVersion(torch.__version__) >= '2.2':
        limits.insert(0, 'AVX2')
    for limit in limits:
        kind, windows = sampled(tmp_path, limit)
        if kind in kinds:
            assert torch.equal(windows, kinds[kind])
        kinds[kind] = windows
    first = next(iter(kinds.values()))
    for windows in kinds.values():
        # Another rounding, not another window.
        away = (windows - first).abs()
        assert away.mean() < 0.05
