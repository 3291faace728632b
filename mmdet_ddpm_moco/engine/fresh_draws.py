"""Random draws of a training that is resumed or has several ranks."""

import random
from functools import partial

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .transform_insertion import restart_workers

_SEEDS = 2**32  # that numpy takes


class FreshDrawsHook(Hook):
    """Has each start and each rank draw its own random numbers.

    MMEngine gives all of them the same seed. So ranks would draw the same
    noise and times for a generator, and one that is killed again and again
    the same windows, too. Rank 0 of a run that is not resumed draws as
    without this hook.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Seeds this process and, when resumed, its workers."""
        offset = runner.iter * get_world_size() + get_rank()
        if not offset:
            return
        seed = (runner.seed + offset) % _SEEDS
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        loader = runner.train_dataloader
        init = getattr(loader, 'worker_init_fn', None)
        # Those of each rank have seeds of their own.
        if (
            runner.iter
            and isinstance(init, partial)
            and 'seed' in init.keywords
        ):
            later = (init.keywords['seed'] + runner.iter) % _SEEDS
            loader.worker_init_fn = partial(init, seed=later)
            self._replaced = restart_workers(runner)
