"""Timing calls, on a machine that may have other work."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch


def synchronize(device: str) -> None:
    """Waits for the kernels of a device; calls return before they end."""
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def seconds(call: Callable[[], object], device: str = 'cpu') -> float:
    """Wall time of one call.

    Args:
        call (Callable): What to time.
        device (str): Where it runs. Defaults to 'cpu'.

    Returns:
        float: Seconds.
    """
    synchronize(device)
    begun = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - begun


def median_seconds(
    calls: Mapping[str, Callable[[], object]],
    repeats: int,
    device: str = 'cpu',
) -> dict[str, float]:
    """Times calls that are to be compared.

    Each is run once to warm up. Then they take turns, so that whatever else
    the machine does meets all of them alike.

    Args:
        calls (Mapping[str, Callable]): What to time, by name.
        repeats (int): Timed runs of each, at least 1.
        device (str): Where they run. Defaults to 'cpu'.

    Returns:
        dict[str, float]: Median seconds by name.
    """
    for call in calls.values():
        call()
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            took[name].append(seconds(call, device))
    return {name: median(values) for name, values in took.items()}
