"""Painting the blocks of a bank with all the hands there are.

Each rank paints its share of a round, on a CPU several blocks at once. Who
paints a block leaves no trace in it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, is_main_process
from tqdm import tqdm

from ..ranks import on_main, together
from .bank_writer import BankWriter
from .block_rounds import next_round
from .steady_arithmetic import THREADS_PER_BLOCK

Painted = tuple[list[dict], list[np.ndarray | None]]
Painter = Callable[[range], Painted]


def fill_bank(
    writer: BankWriter,
    painters: Sequence[Painter],
    num: int,
    *,
    block_size: int,
    most_blocks: int,
    group: Any = None,
) -> None:
    """Paints the blocks that a bank needs and does not have.

    All ranks enter together, each with painters of its own.

    Args:
        writer (BankWriter): The bank, begun.
        painters (Sequence[Painter]): Make records and pictures from window
            numbers. They work at the same time, in threads if there is more
            than one.
        num (int): Windows to keep, at least 1.
        block_size (int): Windows per block.
        most_blocks (int): Blocks to try before the gates are taken to refuse
            everything.
        group (ProcessGroup | None): The ranks. Defaults to all.

    Raises:
        ValueError: ``most_blocks`` do not give ``num`` accepted windows.
    """
    found = on_main(partial(writer.take_stock, block_size), group)
    accepted = {b: count for b, count in found.items() if b < most_blocks}
    hands = all_gather_object(len(painters), group)
    workers = [rank for rank, count in enumerate(hands) for _ in range(count)]
    mine = get_rank(group)

    def paint_round(blocks: Sequence[int]) -> dict[int, int]:
        """This rank's blocks of the round, with the windows accepted."""
        share = [
            block
            for i, block in enumerate(blocks)
            if workers[i % len(workers)] == mine
        ]
        found = {}
        for block, count in _painted(writer, painters, share, block_size):
            found[block] = count
            if is_main_process():
                # What other ranks have done is known by their records.
                show(map(writer.read_block, blocks))
        return found

    def show(records: Iterator[list[dict] | None] = ()) -> None:
        new = sum(_accepted(record) for record in records if record)
        bar.update(min(sum(accepted.values()) + new, num) - bar.n)

    with tqdm(
        total=num,
        initial=min(sum(accepted.values()), num),
        desc='synthesising',
        unit='window',
        disable=not is_main_process(),
    ) as bar:
        while blocks := next_round(
            accepted, num, block_size, len(workers), most_blocks
        ):
            found = together(partial(paint_round, blocks), group)
            for part in all_gather_object(found, group):
                accepted.update(part)
            show()
    kept = sum(accepted.values())
    if kept < num:
        msg = (
            f'only {kept} of {len(accepted) * block_size} windows passed the '
            'quality gates; train the generator longer or raise the strength'
        )
        raise ValueError(msg)


def _painted(
    writer: BankWriter,
    painters: Sequence[Painter],
    blocks: Sequence[int],
    block_size: int,
) -> Iterator[tuple[int, int]]:
    """Paints and writes blocks, and counts the windows accepted in each."""
    free = SimpleQueue()
    for painter in painters:
        free.put(painter)

    def paint(block: int) -> tuple[int, int]:
        painter = free.get()
        try:
            records, pictures = painter(
                range(block * block_size, (block + 1) * block_size)
            )
        finally:
            free.put(painter)
        if not writer.is_begun:
            msg = (
                f'the main process that wrote {writer.root} is gone, and '
                'another one has finished the bank'
            )
            raise ValueError(msg)
        writer.write_block(block, records, pictures)
        return block, _accepted(records)

    if len(painters) == 1:
        yield from map(paint, blocks)
        return
    # Torch asks anew in each thread how many more it may use.
    pool = ThreadPoolExecutor(
        len(painters), 'painter', torch.set_num_threads, (THREADS_PER_BLOCK,)
    )
    try:
        for done in as_completed([pool.submit(paint, b) for b in blocks]):
            yield done.result()
    except BaseException as error:
        # Ctrl-C does not wait for what is being painted.
        wait = not isinstance(error, KeyboardInterrupt)
        pool.shutdown(wait=wait, cancel_futures=True)
        raise
    pool.shutdown()


def _accepted(records: list[dict]) -> int:
    return sum(r['rejected'] is None for r in records)
