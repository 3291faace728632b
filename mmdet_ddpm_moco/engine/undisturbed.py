"""Looking into a training run without changing what it does next."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
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
def evaluating(*modules: nn.Module) -> Iterator[None]:
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
