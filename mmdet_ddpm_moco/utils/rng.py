"""Random state, eval mode and determinism, restored afterwards."""

import os
import platform
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn


@contextmanager
def fork_rng(seed: int) -> Iterator[None]:
    """Seeds the global generators inside and restores them afterwards.

    Those of Python, NumPy and torch's CPU: transforms draw from no others.
    """
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            random.seed(seed)
            np.random.seed(seed)
            # torch.manual_seed would seed the GPUs as well.
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def eval_mode(*modules: nn.Module) -> Iterator[None]:
    """Puts modules in eval mode without gradients, and back afterwards.

    ``module.train()`` would not restore the mode where only some parts were
    in training, such as around a frozen stage.
    """
    modes = [(part, part.training) for m in modules for part in m.modules()]
    try:
        for part, _ in modes:
            part.training = False
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


# Threads within a block on a CPU. How a sum is split over threads may change
# its last bits, so the other threads sample other blocks instead.
THREADS_PER_BLOCK = 1


@contextmanager
def deterministic(device: str) -> Iterator[int]:
    """Makes sampling on a device reproducible inside.

    Yields:
        int: Blocks to sample at once: one on a GPU, on a CPU as many as
        torch was set to use threads (``OMP_NUM_THREADS``).
    """
    if torch.device(device).type == 'cpu':
        threads = torch.get_num_threads()
        torch.set_num_threads(THREADS_PER_BLOCK)
        try:
            yield max(1, threads // THREADS_PER_BLOCK)
        finally:
            torch.set_num_threads(threads)
        return
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    # Its benchmark chooses algorithms by their timing, which varies.
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield 1
    finally:
        cudnn.benchmark, cudnn.deterministic = before


# From oneDNN's sets of instructions up to those that change its results in
# bfloat16: below avx512_bf16 it computes in float32 and rounds.
_INSTRUCTIONS = ('sse41', 'avx2', 'avx512', 'avx512_bf16', 'amx')

# How Linux names those that not each processor has.
_FLAGS = dict(
    avx2='avx2', avx512='avx512vl', avx512_bf16='avx512_bf16', amx='amx_tile'
)
_CPU_INFO = Path('/proc/cpuinfo')


def device_kind(device: str) -> str:
    """Kind of a device, of which windows can be sampled again bit for bit.

    Args:
        device (str): Such as ``'cpu'`` or ``'cuda:1'``.

    Returns:
        str: ``'cuda <name of the card>'``, or ``'cpu <instructions>'`` with
        the instructions that oneDNN uses, ``ONEDNN_MAX_CPU_ISA`` included.
    """
    if torch.device(device).type == 'cuda':
        return f'cuda {torch.cuda.get_device_name(device)}'
    if torch.device(device).type != 'cpu':
        return torch.device(device).type
    if platform.machine().lower() not in ('x86_64', 'amd64'):
        return f'cpu {platform.machine()}'
    supported = [name for name in _FLAGS if _supports(name)]
    best = supported[-1] if supported else _INSTRUCTIONS[0]
    return f'cpu {min(best, _limit(), key=_INSTRUCTIONS.index)}'


def _supports(instructions: str) -> bool:
    name = 'amx_tile' if instructions == 'amx' else instructions
    check = getattr(torch.cpu, f'_is_{name}_supported', None)
    if check is not None:
        return check()
    # torch 2.1 does not tell.
    flags = _CPU_INFO.read_text() if _CPU_INFO.is_file() else ''
    return _FLAGS[instructions] in flags.split()


def _limit() -> str:
    """Instructions that oneDNN's environment variable allows."""
    for variable in ('ONEDNN_MAX_CPU_ISA', 'DNNL_MAX_CPU_ISA'):
        value = os.environ.get(variable, '').upper()
        for part, name in (
            ('AMX', 'amx'),
            ('BF16', 'avx512_bf16'),
            ('FP16', 'avx512_bf16'),
            ('AVX512', 'avx512'),
            ('AVX2', 'avx2'),
            ('AVX', 'sse41'),
            ('SSE', 'sse41'),
        ):
            if part in value:
                return name
    return _INSTRUCTIONS[-1]
