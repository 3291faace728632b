"""Random state, eval mode and determinism, restored afterwards."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

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
