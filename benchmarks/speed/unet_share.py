"""How much of the sampling time is the U-Net's."""

from collections.abc import Callable
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.speed.speed_table import Row
from benchmarks.speed.timing import synchronize

_UNET, _WHOLE = 'unet forward', 'whole call'


def unet_share(
    unet: torch.nn.Module, call: Callable[[], object], device: str = 'cpu'
) -> float:
    """Share of a call's time that is spent in the forward of a U-Net.

    Args:
        unet (nn.Module): The U-Net.
        call (Callable): What runs it.
        device (str): Where it runs. Defaults to 'cpu'.

    Returns:
        float: In [0, 1], of wall time, measured by ``torch.profiler``.
    """
    spans = []

    def begin(*_: object) -> None:
        synchronize(device)
        spans.append(record_function(_UNET))
        spans[-1].__enter__()

    def end(*_: object) -> None:
        synchronize(device)
        spans.pop().__exit__(None, None, None)

    hooks = [
        unet.register_forward_pre_hook(begin),
        unet.register_forward_hook(end),
    ]
    try:
        with (
            profile(activities=[ProfilerActivity.CPU]) as profiler,
            record_function(_WHOLE),
        ):
            call()
            synchronize(device)
    finally:
        for hook in hooks:
            hook.remove()
    took = {e.key: e.cpu_time_total for e in profiler.key_averages()}
    return took.get(_UNET, 0) / took[_WHOLE]


def share_rows(
    unet: torch.nn.Module,
    call: Callable[[], object],
    repeats: int,
    device: str,
) -> list[Row]:
    """The share as a row, a median of several runs after one to warm up."""
    call()
    shares = [unet_share(unet, call, device) for _ in range(repeats)]
    return [
        Row(
            'share',
            'U-Net forward in sampling time',
            median(shares),
            '',
            f'torch.profiler, median of {repeats} runs',
            least=0.9,
        )
    ]
