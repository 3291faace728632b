"""Looking into a training run without changing what it does next."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def fork_rng(seed: int) -> Iterator[None]:
    """What runs inside draws from seeded generators, then all are as before.

    Those of Python, NumPy and torch's CPU; nothing else is drawn from by
    transforms.

    Args:
        seed (int): Seed of the three.
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
    """Inside, modules are in eval mode; then each part is as it was.

    ``module.train()`` would not bring that back where only some parts were
    in training, such as around a frozen stage.

    Args:
        *modules (nn.Module): The modules.
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
# its last bits, so all threads but one paint blocks of their own instead.
THREADS_PER_BLOCK = 1


@contextmanager
def deterministic(device: str) -> Iterator[int]:
    """Makes sampling reproducible while it lasts.

    Args:
        device (str): Where the U-Net runs.

    Yields:
        int: Blocks to paint at once: one on a GPU, on a CPU as many as torch
        was to use threads (``OMP_NUM_THREADS``).
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
    # With its benchmark, which algorithm is taken is a matter of timing.
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield 1
    finally:
        cudnn.benchmark, cudnn.deterministic = before
