"""Times the steps of a training from inside, then profiles some."""

import time
from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from benchmarks.gpu.results import Row
from benchmarks.gpu.variants import Variant


class StepMeter(Hook):
    """Times steps, then profiles some.

    Args:
        rows_of (Callable): :func:`profiled_rows`, all but the step and the
            number of steps.
        warm_up (int): Steps before.
        steps (int): Steps timed.
        profiled (int): Steps profiled after.
        device (str): ``'cuda'`` or ``'cpu'``.
        variant (Variant): What to change of the model before.

    Attributes:
        seconds (float): Of the timed steps.
        waited (float): Seconds of these in which the host waited for data.
        loss (float): Of the last step.
        rows (list[Row]): Of the profile.
    """

    def __init__(
        self,
        rows_of: Callable[..., list[Row]],
        warm_up: int,
        steps: int,
        profiled: int,
        device: str,
        variant: Variant,
    ) -> None:
        self.rows_of, self.variant = rows_of, variant
        self.warm_up, self.steps, self.profiled = warm_up, steps, profiled
        self.device = device
        self.waited = self.seconds = 0.0
        self.loss = float('nan')
        self.rows: list[Row] = []
        self._ended = 0.0

    def before_train(self, runner: Runner) -> None:
        """Sets the memory layout and compiles."""
        model = runner.model
        if self.variant.channels_last:
            model.to(memory_format=torch.channels_last)
        if self.variant.compiled:
            getattr(model, self.variant.compiled).compile()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Notes how long the host waited for the batch."""
        if self.warm_up < runner.iter < self.warm_up + self.steps:
            self.waited += time.perf_counter() - self._ended

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Starts and stops the clock."""
        done = runner.iter + 1
        if done in (self.warm_up, self.warm_up + self.steps):
            if self.device == 'cuda':
                torch.cuda.synchronize()
            now = time.perf_counter()
            if done == self.warm_up:
                self._begun = now
            else:
                self.seconds = now - self._begun
                self.loss = float((outputs or {})['loss'])
                self._profile(runner)
        self._ended = time.perf_counter()

    def _profile(self, runner: Runner) -> None:
        """Profiles steps as the loop makes them, hooks included."""
        loop = runner.train_loop
        runner._hooks.remove(self)

        def step() -> None:
            loop.run_iter(next(loop.dataloader_iterator))

        self.rows = self.rows_of(step, self.profiled)
        # The loop's own count goes on.
        loop._max_iters = 0
