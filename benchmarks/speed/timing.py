"""Timing calls on a machine that may have other load."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch


def synchronize(device: str) -> None:
    """Waits for the kernels of a device, which run asynchronously."""
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
    start = clock()
    call()
    synchronize(device)
    return clock() - start


def fair_clock(device: str) -> Callable[[], float]:
    """The clock that is least affected by other load.

    Args:
        device (str): Where the calls run.

    Returns:
        Callable: On a CPU, the CPU time of this process; otherwise wall
        time.
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
    """Times calls to compare.

    After a warm-up run of each they take turns, so that other load affects
    all of them alike.

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
