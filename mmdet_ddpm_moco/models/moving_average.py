"""The moving average of weights, in few kernels and without host syncs."""

from math import cos, pi
from typing import Any

import torch
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ForeachEMA(ExponentialMovingAverage):
    """An exponential moving average that keeps a GPU busy.

    The values are those of MMEngine's ``ExponentialMovingAverage``, of its
    ``MomentumAnnealingEMA`` with ``gamma``, and of mmpretrain's ``CosineEMA``
    with ``end_momentum``. Those launch a kernel for each tensor and read the
    number of steps back from the device, twice per step or once per tensor,
    and the host waits each time. Here the host counts along, and tensors are
    updated together. Checkpoints of either load into the other.

    Args:
        model (nn.Module): The model to average.
        momentum (float): Weight of the new weights, in (0, 1). Defaults to
            0.0002.
        gamma (int, optional): Warms the average up: the momentum is at least
            ``gamma / (gamma + steps)``. Defaults to None.
        end_momentum (float, optional): The momentum falls to this value by
            the end of training, as half a cosine wave. Defaults to None.
        **kwargs: ``interval``, ``device`` and ``update_buffers`` of
            ``ExponentialMovingAverage``.

    Examples:
        >>> model = torch.nn.Linear(4, 2)
        >>> average = ForeachEMA(model, momentum=0.001, gamma=50)
        >>> average.update_parameters(model)  # after each optimizer step
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: float = 0.0002,
        gamma: int | None = None,
        end_momentum: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, momentum, **kwargs)
        self.gamma = gamma
        self.end_momentum = end_momentum
        # ``steps`` as the host knows it; None until it was read.
        self._steps: int | None = None

    def host_steps(self) -> int:
        """Updates so far; after the first call without waiting for a GPU."""
        if self._steps is None:
            self._steps = int(self.steps)
        return self._steps

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Takes the weights of a model into the average.

        Args:
            model (nn.Module): The model that is trained.
        """
        done = self.host_steps()
        source = (
            model.state_dict()
            if self.update_buffers
            else dict(model.named_parameters())
        )
        averages = self.avg_parameters
        if done == 0:
            _copy(list(averages.values()), [source[k] for k in averages])
        elif done % self.interval == 0:
            names = [k for k, v in averages.items() if v.is_floating_point()]
            self._average(
                [averages[name] for name in names],
                [source[name] for name in names],
                done,
            )
        if not self.update_buffers:
            _copy(list(self.module.buffers()), list(model.buffers()))
        self.steps.add_(1)
        self._steps = done + 1

    def _average(
        self, averages: list[Tensor], sources: list[Tensor], steps: int
    ) -> None:
        sources = _beside(averages, sources)
        if self.end_momentum is not None:
            hub = MessageHub.get_current_instance()
            # Of BYOL, arXiv 2006.07733, section 3.2.
            done = steps / float(hub.get_info('max_iters'))
            momentum = self.end_momentum - (
                self.end_momentum - self.momentum
            ) * ((cos(pi * done) + 1) / 2)
            torch._foreach_mul_(averages, 1 - momentum)
            torch._foreach_add_(averages, sources, alpha=momentum)
            return
        momentum = self.momentum
        if self.gamma is not None:
            momentum = max(momentum, self.gamma / (self.gamma + steps))
        torch._foreach_lerp_(averages, sources, momentum)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._steps = None
        super()._load_from_state_dict(*args, **kwargs)


def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copies tensors, those of one dtype together."""
    for dtype in {target.dtype for target in targets}:
        pairs = [p for p in zip(targets, sources) if p[0].dtype == dtype]
        group, values = map(list, zip(*pairs))
        torch._foreach_copy_(group, _beside(group, values))


def _beside(targets: list[Tensor], sources: list[Tensor]) -> list[Tensor]:
    """The sources where the targets are, which may be kept elsewhere."""
    return [s.to(t.device) for t, s in zip(targets, sources)]
