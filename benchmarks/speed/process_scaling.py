"""Throughput of two processes on two cores, against one."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from statistics import median
from threading import BrokenBarrierError

import torch
from tqdm import tqdm

from benchmarks.speed.table import Row
from benchmarks.speed.windows import draw_batch, our_sampling
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.settings import BankOptions
from mmdet_ddpm_moco.utils.errors import InputError

Span = tuple[float, float]

# Set in each of the processes.
_barrier: Barrier


@dataclass(frozen=True)
class Work:
    """The work of each process, which reads all it needs from files.

    Attributes:
        generator (str): Folder of the generator.
        ann_file (str): COCO json of its training images.
        img_prefix (str): Folder that its file names start from.
        windows (int): Windows per batch.
        options (BankOptions): The sampler.
        batches (int): Batches per round.
        rounds (int): Rounds, each with one process alone, then with both.
    """

    generator: str
    ann_file: str
    img_prefix: str
    windows: int
    options: BankOptions
    batches: int
    rounds: int


def batches_per_second(processes: Sequence[Sequence[Span]]) -> float:
    """Joint rate of several processes while all of them are at work.

    Args:
        processes (Sequence[Sequence[Span]]): Begin and end of each batch in
            seconds, by one clock, for each process.

    Returns:
        float: Batches per second from the latest first begin to the earliest
        last end. A batch partly within this time counts in part.

    Raises:
        ValueError: They were never at work at the same time.
    """
    begin = max(spans[0][0] for spans in processes)
    end = min(spans[-1][1] for spans in processes)
    if end <= begin:
        msg = 'the processes did not work at the same time; use more batches'
        raise InputError(msg)
    done = sum(
        max(0.0, min(b, end) - max(a, begin)) / (b - a)
        for spans in processes
        for a, b in spans
    )
    return done / (end - begin)


def scaling_rows(work: Work) -> list[Row]:
    """Times one process and two, each with one thread, on the CPU.

    Both are started once. In each round the first works alone, then both.

    Args:
        work (Work): Their work.

    Returns:
        list[Row]: Windows per second of one, of two, and the ratio.
    """
    context = get_context('spawn')  # a fork would share torch's threads
    barrier = context.Barrier(2)
    with ProcessPoolExecutor(
        2, context, initializer=_start, initargs=(barrier,)
    ) as pool:
        futures = [pool.submit(_sample, work, rank) for rank in range(2)]
        errors = [e for e in (f.exception() for f in futures) if e]
        # An error at the barrier only says that the other process failed.
        errors.sort(key=lambda e: isinstance(e, BrokenBarrierError))
        if errors:
            raise errors[0]
        first, second = (future.result() for future in futures)
    rates = [
        (
            work.windows * batches_per_second([alone]),
            work.windows * batches_per_second([both, other]),
        )
        for alone, both, other in zip(first[::2], first[1::2], second)
    ]
    one, two = (median(rate) for rate in zip(*rates))
    how = (
        f'median of {work.rounds} rounds of {work.batches} batches of '
        f'{work.windows} windows, 1 thread each, CPU'
    )
    part = 'processes'
    return [
        Row(part, 'one process', one, 'windows/s', how),
        Row(part, 'two processes', two, 'windows/s', how),
        Row(
            part,
            'two against one',
            median(b / a for a, b in rates),
            'x',
            how,
            least=1.8,
        ),
    ]


def _start(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _sample(work: Work, rank: int) -> list[list[Span]]:
    """Spans of the phases in which a process works."""
    try:
        torch.set_num_threads(1)
        generator = load_generator(work.generator)
        batch = draw_batch(
            generator, work.ann_file, work.img_prefix, work.windows
        )
        sample = our_sampling(generator, batch, work.options)
        sample()
        phases = []
        for phase in tqdm(
            range(2 * work.rounds), 'processes', disable=rank > 0
        ):
            _barrier.wait()
            if rank <= phase % 2:
                phases.append([_span(sample) for _ in range(work.batches)])
        return phases
    except BaseException:
        _barrier.abort()
        raise


def _span(sample: object) -> Span:
    # Unlike perf_counter, it has one origin in all processes.
    begin = time.monotonic()
    sample()
    return begin, time.monotonic()
