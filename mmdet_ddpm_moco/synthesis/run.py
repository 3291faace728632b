"""From a generator and labeled images to a finished bank."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, is_main_process
from tqdm import tqdm

from ..bank.lock import bank_lock, writing_to
from ..bank.reader import DefectBank
from ..bank.writer import BankWriter
from ..datasets.labeled_images import LabeledImages
from ..utils.dist import all_ranks, long_timeout_group, main_process_first
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from ..utils.provenance import FILE, merge_records, record_bytes, record_images
from ..utils.rng import THREADS_PER_BLOCK, deterministic
from ..visualization.bank_grid import draw_bank_grid
from .gates import QualityGates
from .generator import Generator
from .painter import WindowPainter
from .planner import WindowPlanner
from .scheduling import next_round
from .settings import bank_settings

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
    found = main_process_first(
        partial(writer.verify_blocks, block_size), group
    )
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
        desc='synthesizing',
        unit='window',
        disable=not is_main_process(),
    ) as bar:
        while blocks := next_round(
            accepted, num, block_size, len(workers), most_blocks
        ):
            found = all_ranks(partial(paint_round, blocks), group)
            for part in all_gather_object(found, group):
                accepted.update(part)
            show()
    kept = sum(accepted.values())
    if kept < num:
        msg = (
            f'only {kept} of {len(accepted) * block_size} windows passed the '
            'quality gates; train the generator longer or raise the strength'
        )
        raise InputError(msg)


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
        if not writer.is_started:
            msg = (
                f'the main process that wrote {writer.root} is gone, and '
                'another one has finished the bank'
            )
            raise InputError(msg)
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


if TYPE_CHECKING:  # a bank without a judge needs no detector's libraries
    from .detector_gate import JudgeGate

# Windows per block: the unit that is written, seeded and lost at once.
BLOCK = 32
# Windows tried per window asked for, before the gates are taken to refuse
# everything.
MAX_TRIES = 4


def host_images(
    generator: Generator, ann_file: str | Path, img_prefix: str | Path
) -> LabeledImages:
    """Opens the training images of a generator, the hosts of its windows.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images.
        img_prefix (str | Path): Folder that its file names start from.

    Returns:
        LabeledImages: The images.

    Raises:
        FileNotFoundError: The json is missing.
        ValueError: Its classes are not those of the generator.
    """
    data = LabeledImages(ann_file, img_prefix, generator.channels)
    if data.classes != generator.classes:
        msg = (
            f'the generator knows the classes {generator.classes}, '
            f'{ann_file} has {data.classes}; train a generator on it'
        )
        raise InputError(msg)
    return data


def synthesize_bank(
    generator: Generator,
    ann_file: str | Path,
    img_prefix: str | Path,
    out: str | Path,
    *,
    num: int,
    judge: 'JudgeGate | None' = None,
    device: str | None = None,
    **options: Any,
) -> dict:
    """Synthesizes a defect bank, or finishes one that was begun.

    ``sheet.png`` in its folder shows real defects beside synthesized ones.
    All ranks of a distributed run share the work. What they make does not
    depend on how many there are, nor on threads: on a CPU each block is
    painted by one thread, and torch's others paint blocks of their own.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images, the ones
            the generator was trained on.
        img_prefix (str | Path): Folder that its file names start from.
        out (str | Path): Folder of the bank.
        num (int): Windows to keep, at least 1.
        judge (JudgeGate | None): A detector that must find the defects.
            Defaults to None.
        device (str | None): Defaults to CUDA where there is a GPU, the one
            of this rank.
        **options: Those of :func:`bank_settings`.

    Returns:
        dict: The manifest.

    Raises:
        OSError: The folder cannot be written.
        ValueError: An argument is out of range, the generator does not fit
            the images, the folder cannot be used, or the gates refused
            nearly everything.
        SystemExit: Another rank failed, and tells why.
        KeyboardInterrupt: Says how to go on.
    """
    with ExitStack() as held:
        group = held.enter_context(long_timeout_group())
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        hands = held.enter_context(deterministic(device))

        def prepare() -> tuple[LabeledImages, dict, list[Painter]]:
            if num < 1:
                msg = f'num must be at least 1, got {num}'
                raise InputError(msg)
            data = host_images(generator, ann_file, img_prefix)
            settings = bank_settings(generator, ann_file, **options)
            if judge is not None:
                settings['judge'] = judge.settings
            painters = _painters(
                generator, data, settings, judge, device, hands
            )
            return data, settings, painters

        data, settings, painters = all_ranks(prepare, group)
        writer = BankWriter(out, settings)

        def begin() -> bool:
            held.enter_context(bank_lock(out, settings))
            hosts = record_images(image.path for image in data.images)
            seen = merge_records(generator.images_seen, hosts)
            with writing_to(Path(out)):
                atomic_write_bytes(Path(out) / FILE, record_bytes(seen))
            return writer.is_derived(num)

        def draw() -> None:
            sheet = draw_bank_grid(DefectBank(out), data)
            png = cv2.imencode('.png', sheet)[1].tobytes()
            atomic_write_bytes(Path(out) / 'sheet.png', png)

        try:
            if not main_process_first(begin, group):
                fill_bank(
                    writer,
                    painters,
                    num,
                    block_size=BLOCK,
                    most_blocks=-(-(MAX_TRIES * num + BLOCK) // BLOCK),
                    group=group,
                )
            return main_process_first(lambda: writer.close(num, draw), group)
        except KeyboardInterrupt:
            msg = (
                f'stopped; {out} is unfinished, started again with the same '
                'command it goes on'
            )
            raise KeyboardInterrupt(msg) from None


def _painters(
    generator: Generator,
    data: LabeledImages,
    settings: Mapping[str, Any],
    judge: 'JudgeGate | None',
    device: str,
    number: int,
) -> list[Painter]:
    """Painters that can work at the same time."""
    seed = settings['seed']
    planner = WindowPlanner(
        data,
        max_window=settings['max_window'],
        mix=settings['mix'],
        seed=seed,
        per_class=settings['per_class'],
    )
    gates = QualityGates(data, planner, judge)

    def painter() -> Painter:
        # Each has a sampler of its own; they share U-Net and gates.
        windows = WindowPainter(
            generator, data, gates, settings['sampler'], seed, device
        )
        return lambda numbers: windows.paint(
            {n: planner.plan(n) for n in numbers}
        )

    return [painter() for _ in range(number)]
