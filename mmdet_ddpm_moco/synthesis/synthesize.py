"""From a generator and labelled images to a finished bank."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import torch

from ..atomic_write import atomic_write_bytes
from ..datasets.defect_bank import DefectBank
from ..datasets.images_seen import (
    FILE,
    merge_records,
    record_bytes,
    record_images,
)
from ..datasets.labelled_images import LabelledImages
from ..ranks import on_main, patient_ranks, together
from .bank_claim import begun, writing_to
from .bank_settings import bank_settings
from .bank_writer import BankWriter
from .fill_bank import Painter, fill_bank
from .gates import QualityGates
from .generator import Generator
from .planning import WindowPlanner
from .sheet import draw_sheet
from .steady_arithmetic import steady_arithmetic
from .window_painter import WindowPainter

if TYPE_CHECKING:  # a bank without a judge needs no detector's libraries
    from .judge_gate import JudgeGate

# Windows per block: the unit that is written, seeded and lost at once.
BLOCK = 32
# Windows tried per window asked for, before the gates are taken to refuse
# everything.
MAX_TRIES = 4


def host_images(
    generator: Generator, ann_file: str | Path, img_prefix: str | Path
) -> LabelledImages:
    """Opens the training images of a generator, the hosts of its windows.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images.
        img_prefix (str | Path): Folder that its file names start from.

    Returns:
        LabelledImages: The images.

    Raises:
        FileNotFoundError: The json is missing.
        ValueError: Its classes are not those of the generator.
    """
    data = LabelledImages(ann_file, img_prefix, generator.channels)
    if data.classes != generator.classes:
        msg = (
            f'the generator knows the classes {generator.classes}, '
            f'{ann_file} has {data.classes}; train a generator on it'
        )
        raise ValueError(msg)
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
    """Synthesises a defect bank, or finishes one that was begun.

    ``sheet.png`` in its folder shows real defects beside synthesised ones.
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
        OSError: The folder can not be written.
        ValueError: An argument is out of range, the generator does not fit
            the images, the folder can not be used, or the gates refused
            nearly everything.
        SystemExit: Another rank failed, and tells why.
        KeyboardInterrupt: Says how to go on.
    """
    with ExitStack() as held:
        group = held.enter_context(patient_ranks())
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        hands = held.enter_context(steady_arithmetic(device))

        def prepare() -> tuple[LabelledImages, dict, list[Painter]]:
            if num < 1:
                msg = f'num must be at least 1, got {num}'
                raise ValueError(msg)
            data = host_images(generator, ann_file, img_prefix)
            settings = bank_settings(generator, ann_file, **options)
            if judge is not None:
                settings['judge'] = judge.settings
            painters = _painters(
                generator, data, settings, judge, device, hands
            )
            return data, settings, painters

        data, settings, painters = together(prepare, group)
        writer = BankWriter(out, settings)

        def begin() -> bool:
            held.enter_context(begun(out, settings))
            hosts = record_images(image.path for image in data.images)
            seen = merge_records(generator.images_seen, hosts)
            with writing_to(Path(out)):
                atomic_write_bytes(Path(out) / FILE, record_bytes(seen))
            return writer.is_derived(num)

        def draw() -> None:
            sheet = draw_sheet(DefectBank(out), data)
            png = cv2.imencode('.png', sheet)[1].tobytes()
            atomic_write_bytes(Path(out) / 'sheet.png', png)

        try:
            if not on_main(begin, group):
                fill_bank(
                    writer,
                    painters,
                    num,
                    block_size=BLOCK,
                    most_blocks=-(-(MAX_TRIES * num + BLOCK) // BLOCK),
                    group=group,
                )
            return on_main(lambda: writer.close(num, draw), group)
        except KeyboardInterrupt:
            msg = (
                f'stopped; {out} is unfinished, started again with the same '
                'command it goes on'
            )
            raise KeyboardInterrupt(msg) from None


def _painters(
    generator: Generator,
    data: LabelledImages,
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
