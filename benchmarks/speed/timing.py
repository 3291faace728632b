"""Timing calls, on a machine that may have other work."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch


def synchronize(device: str) -> None:
    """Waits for the kernels of a device; calls return before they end."""
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def seconds(
    call: Callable[[], object],
    device: str = 'cpu',
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Time of one call.

    Args:
        call (Callable): What to time.
        device (str): Where it runs. Defaults to 'cpu'.
        clock (Callable): Defaults to wall time.

    Returns:
        float: Seconds.
    """
    synchronize(device)
    begun = clock()
    call()
    synchronize(device)
    return clock() - begun


def fair_clock(device: str) -> Callable[[], float]:
    """The clock that other work on the machine disturbs least.

    Args:
        device (str): Where the work is done.

    Returns:
        Callable: On a CPU, the time that its cores spent on this process;
        else wall time.
    """
    if torch.device(device).type == 'cpu':
        return time.process_time
    return time.perf_counter


def median_seconds(
    calls: Mapping[str, Callable[[], object]],
    repeats: int,
    device: str = 'cpu',
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Times calls that are to be compared.

    Each is run once to warm up. Then they take turns, so that whatever else
    the machine does meets all of them alike.

    Args:
        calls (Mapping[str, Callable]): What to time, by name.
        repeats (int): Timed runs of each, at least 1.
        device (str): Where they run. Defaults to 'cpu'.
        clock (Callable): Defaults to wall time.

    Returns:
        dict[str, float]: Median seconds by name.
    """
    for call in calls.values():
        call()
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            took[name].append(seconds(call, device, clock))
    return {name: median(values) for name, values in took.items()}
