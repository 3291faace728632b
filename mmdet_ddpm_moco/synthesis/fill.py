"""Blocks of windows: shared among ranks and threads until a bank is full."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import cycle
from queue import SimpleQueue
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, is_main_process
from tqdm import tqdm

from ..bank.writer import BankWriter
from ..utils.dist import all_ranks, main_process_first
from ..utils.errors import InputError
from ..utils.rng import THREADS_PER_BLOCK
from .block_scheduling import next_round
from .painter import WindowPainter
from .planner import WindowPlanner


def fill_bank(
    writer: BankWriter,
    planner: WindowPlanner,
    painters: Sequence[WindowPainter],
    num: int,
    *,
    block_size: int,
    max_blocks: int,
    group: Any = None,
) -> None:
    """Synthesizes the missing blocks of a started bank, on all ranks.

    ``painters`` are this rank's, each in a thread if there are several.
    ``num`` windows are to be kept, of at most ``max_blocks`` blocks of
    ``block_size`` windows.

    Raises:
        ValueError: ``max_blocks`` do not give ``num`` accepted windows.
    """
    found = main_process_first(
        partial(writer.verify_blocks, block_size), group
    )
    accepted = {b: count for b, count in found.items() if b < max_blocks}
    counts = all_gather_object(len(painters), group)
    worker_ranks = [rank for rank, n in enumerate(counts) for _ in range(n)]
    rank = get_rank(group)

    def paint_round(blocks: Sequence[int]) -> dict[int, int]:
        """This rank's share of a round, with the windows accepted."""
        own = [b for b, r in zip(blocks, cycle(worker_ranks)) if r == rank]
        found = {}
        for block, count in _paint(writer, planner, painters, own, block_size):
            found[block] = count
            if is_main_process():
                # The progress of other ranks is in their records.
                records = filter(None, map(writer.read_block, blocks))
                advance(sum(map(_count_accepted, records)))
        return found

    def advance(new: int = 0) -> None:
        bar.update(min(sum(accepted.values()) + new, num) - bar.n)

    with tqdm(
        total=num,
        initial=min(sum(accepted.values()), num),
        desc='synthesizing',
        unit='window',
        disable=not is_main_process(),
    ) as bar:
        while blocks := next_round(
            accepted, num, block_size, len(worker_ranks), max_blocks
        ):
            found = all_ranks(partial(paint_round, blocks), group)
            for part in all_gather_object(found, group):
                accepted.update(part)
            advance()
    kept = sum(accepted.values())
    if kept < num:
        msg = (
            f'only {kept} of {len(accepted) * block_size} windows passed the '
            'quality gates; train the generator longer or raise the strength'
        )
        raise InputError(msg)


def _paint(
    writer: BankWriter,
    planner: WindowPlanner,
    painters: Sequence[WindowPainter],
    blocks: Sequence[int],
    block_size: int,
) -> Iterator[tuple[int, int]]:
    """Synthesizes and writes blocks; yields each with its accepted windows."""
    idle: SimpleQueue[WindowPainter] = SimpleQueue()
    for painter in painters:
        idle.put(painter)

    def paint(block: int) -> tuple[int, int]:
        numbers = range(block * block_size, (block + 1) * block_size)
        painter = idle.get()
        try:
            records, pixels = painter.paint(
                {number: planner.plan(number) for number in numbers}
            )
        finally:
            idle.put(painter)
        if not writer.is_started:
            msg = (
                f'the main process that wrote {writer.root} has ended, and '
                'another one has finished the bank'
            )
            raise InputError(msg)
        writer.write_block(block, records, pixels)
        return block, _count_accepted(records)

    if len(painters) == 1:
        yield from map(paint, blocks)
        return
    # Torch sets the number of its threads for each thread that starts.
    pool = ThreadPoolExecutor(
        len(painters), 'painter', torch.set_num_threads, (THREADS_PER_BLOCK,)
    )
    try:
        for done in as_completed([pool.submit(paint, b) for b in blocks]):
            yield done.result()
    except BaseException as error:
        # Ctrl-C does not wait for blocks in progress.
        wait = not isinstance(error, KeyboardInterrupt)
        pool.shutdown(wait=wait, cancel_futures=True)
        raise
    pool.shutdown()


def _count_accepted(records: Sequence[dict]) -> int:
    return sum(record['rejected'] is None for record in records)
