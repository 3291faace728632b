"""Arithmetic whose last bits do not depend on how many hands there are."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Threads within a block on a CPU. How a sum is split over threads may change
# its last bits, so all threads but one paint blocks of their own instead.
THREADS_PER_BLOCK = 1


@contextmanager
def steady_arithmetic(device: str) -> Iterator[int]:
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
