"""Where the time of steps goes, from torch's profiler."""

import resource
from collections.abc import Callable, Iterable

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.results import Row

# What makes the host wait for the device, by the names of the CUDA runtime.
_WAITS = (
    'cudaStreamSynchronize',
    'cudaDeviceSynchronize',
    'cudaEventSynchronize',
)


def profiled_rows(
    part: str, name: str, step: Callable[[], object], steps: int, device: str
) -> list[Row]:
    """Profiles steps.

    Args:
        part (str): The part that the rows belong to.
        name (str): What is profiled.
        step (Callable): Makes one step.
        steps (int): How many, at least 1.
        device (str): ``'cuda'`` or ``'cpu'``.

    Returns:
        list[Row]: Share of the time in which the device works, and per step
        the values read back, and on a GPU the host's waits and the copies
        each way and the kernels.
    """
    activities = [ProfilerActivity.CPU]
    if device == 'cuda':
        activities.append(ProfilerActivity.CUDA)
        torch.cuda.synchronize()
    with profile(activities=activities) as prof:
        for _ in range(steps):
            step()
        if device == 'cuda':
            torch.cuda.synchronize()
    events = list(prof.events())
    on = DeviceType.CUDA if device == 'cuda' else DeviceType.CPU
    spans = [
        (e.time_range.start, e.time_range.end)
        for e in events
        if e.device_type == on and e.name != 'ProfilerStep*'
    ]
    how = f'profile of {steps} steps'
    if not spans:
        return [Row(part, f'{name}: device busy', None, how='no events')]
    length = max(end for _, end in spans) - min(begin for begin, _ in spans)
    busy = covered(spans) / length
    what = 'device busy' if device == 'cuda' else 'inside of torch operators'
    rows = [Row(part, f'{name}: {what}', 100 * busy, '%', how)]

    def count(what: str, wanted: Callable[[str], bool]) -> None:
        number = sum(wanted(e.name) for e in events)
        rows.append(Row(part, f'{name}: {what}', number / steps, '/step', how))

    count('values read back', lambda n: n == 'aten::_local_scalar_dense')
    if device == 'cuda':
        count('host waits', lambda n: n.startswith(_WAITS))
        count('copies to the device', lambda n: n.startswith('Memcpy HtoD'))
        count('copies from it', lambda n: n.startswith('Memcpy DtoH'))
        kernels = sum(
            e.device_type == DeviceType.CUDA
            and not e.name.startswith(('Memcpy', 'Memset'))
            for e in events
        )
        rows.append(
            Row(part, f'{name}: kernels', kernels / steps, '/step', how)
        )
    return rows


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals.

    Args:
        spans (Iterable[tuple[float, float]]): Begin and end of each.

    Returns:
        float: In the unit of the intervals.
    """
    total, last = 0.0, float('-inf')
    for begin, end in sorted(spans):
        if end > last:
            total += end - max(begin, last)
            last = end
    return total


def peak_memory(device: str) -> float:
    """Peak memory in MiB: allocated on a GPU, resident on a CPU."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
