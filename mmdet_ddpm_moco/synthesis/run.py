"""From a generator and labeled images to a finished bank."""

import hashlib
import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine.dist import all_gather_object, is_main_process

from ..bank.lock import bank_lock, writing_to
from ..bank.reader import DefectBank
from ..bank.writer import BankWriter
from ..datasets.labeled_images import LabeledImages
from ..models.conditioning import MASK
from ..utils.checks import check_arguments
from ..utils.dist import all_ranks, long_timeout_group, main_process_first
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from ..utils.provenance import FILE, merge_records, record_bytes, record_images
from ..utils.rng import deterministic, device_kind
from ..visualization.sample_grid import draw_bank
from .fill import fill_bank
from .gates import QualityGates
from .generator import Generator
from .judge_gate import JudgeGate
from .painter import WindowPainter
from .planner import WindowPlanner
from .samplers import build_sampler, check_sampling
from .settings import BankOptions

# Windows per block: the unit that is written, seeded and lost at once.
BLOCK = 32
# Windows tried per window asked for before synthesis is given up.
MAX_TRIES = 4


def synthesize_bank(
    generator: Generator,
    ann_file: str | Path,
    img_prefix: str | Path,
    out: str | Path,
    *,
    num: int,
    judge: JudgeGate | None = None,
    device: str | None = None,
    **options: Any,
) -> dict:
    """Synthesizes a defect bank, or resumes an unfinished one.

    ``sample_grid.png`` in its folder shows real and synthesized defects. All
    ranks of a distributed run share the work. The bank depends neither on
    their number nor on threads: on a CPU each block is sampled by one
    thread, and torch's other threads sample blocks of their own.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images, the ones
            the generator was trained on.
        img_prefix (str | Path): Folder of the file names in it.
        out (str | Path): Folder of the bank.
        num (int): Windows to keep, at least 1.
        judge (JudgeGate | None): A detector that must find the defects.
            Defaults to None.
        device (str | None): Defaults to CUDA where there is a GPU, the one
            of this rank.
        **options: Those of :class:`BankOptions`.

    Returns:
        dict: The manifest.

    Raises:
        OSError: The folder cannot be written.
        ValueError: An argument is out of range, the generator does not fit
            the images, the folder cannot be used, or the gates rejected
            nearly everything.
        SystemExit: Another rank failed, and reports the error.
        KeyboardInterrupt: With a message on how to resume.

    Examples:
        >>> from mmdet_ddpm_moco.synthesis.generator import load_generator
        >>> generator = load_generator('work_dirs/ddpm/generator')
        >>> synthesize_bank(
        ...     generator, 'train.json', 'images', 'bank', num=2000,
        ...     num_inference_steps=16)
    """
    group = long_timeout_group()
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    with ExitStack() as stack:
        num_workers = stack.enter_context(deterministic(device))

        def prepare() -> _Parts:
            check_arguments(dict(num=num), num=(num >= 1, 'at least 1'))
            data = open_hosts(generator, ann_file, img_prefix)
            chosen = BankOptions(**options)
            settings = bank_settings(generator, ann_file, chosen)
            if judge is not None:
                settings['judge'] = judge.settings
            settings['device'] = device_kind(device)
            planner = _planner(data, chosen)
            gates = QualityGates(data, planner, judge)
            # Each has its own sampler; U-Net and gates are shared.
            painters = [
                WindowPainter(generator, data, gates, chosen, device)
                for _ in range(num_workers)
            ]
            return _Parts(data, settings, planner, painters)

        parts = all_ranks(prepare, group)
        _check_same_device(all_gather_object(parts.settings['device'], group))
        writer = BankWriter(out, parts.settings)

        def start() -> bool:
            """Locks the bank; True if only cleaning up is left to do."""
            settings = stack.enter_context(bank_lock(out, parts.settings))
            writer.settings = settings
            _write_provenance(out, generator, parts.data)
            return writer.is_derived(num)

        def draw() -> None:
            grid = draw_bank(DefectBank(out), parts.data)
            png = cv2.imencode('.png', grid)[1].tobytes()
            atomic_write_bytes(Path(out) / 'sample_grid.png', png)

        try:
            if not main_process_first(start, group):
                fill_bank(
                    writer,
                    parts.planner,
                    parts.painters,
                    num,
                    block_size=BLOCK,
                    max_blocks=math.ceil(MAX_TRIES * num / BLOCK) + 1,
                    group=group,
                )
            hosts = [image.file_name for image in parts.data.images]
            return main_process_first(
                lambda: writer.close(num, draw, hosts), group
            )
        except KeyboardInterrupt:
            msg = (
                f'stopped; {out} is unfinished, run the same command again '
                'to resume'
            )
            raise KeyboardInterrupt(msg) from None


@dataclass(frozen=True)
class _Parts:
    """What windows are made from and by."""

    data: LabeledImages
    # Of the manifest.
    settings: dict[str, Any]
    planner: WindowPlanner
    painters: list[WindowPainter]  # one for each thread


def _planner(data: LabeledImages, options: BankOptions) -> WindowPlanner:
    return WindowPlanner(
        data,
        max_window=options.max_window,
        mix=options.mix,
        seed=options.seed,
        per_class=options.per_class,
        missed=options.missed,
    )


def _write_provenance(
    out: str | Path, generator: Generator, data: LabeledImages
) -> None:
    """Records the images of hosts and generator in the bank's folder."""
    hosts = record_images(image.path for image in data.images)
    seen = merge_records(hosts, generator.provenance)
    assert seen is not None
    with writing_to(Path(out)):
        atomic_write_bytes(Path(out) / FILE, record_bytes(seen))


def bank_settings(
    generator: Generator, ann_file: str | Path, options: BankOptions
) -> dict[str, Any]:
    """All that the windows of a bank depend on, as in its manifest.

    ``ann_file`` is the COCO json of the training images. The result has JSON
    types only.

    Raises:
        ValueError: An option is out of range, or the generator does not
            support it.
    """
    check_sampling(
        build_sampler(options.sampler, generator.scheduler),
        options.num_inference_steps,
        options.strength,
    )
    if generator.conditioning != MASK:
        msg = (
            "a bank needs a generator with conditioning='mask', this one has "
            f'{generator.conditioning!r}, which does not determine where the '
            'defects of a window are'
        )
        raise InputError(msg)
    if options.guidance_scale != 1 and generator.null_label is None:
        msg = (
            f'guidance_scale={options.guidance_scale} needs a generator that '
            'was trained with class_dropout above 0; train one, or use 1'
        )
        raise InputError(msg)
    return dict(
        generator=generator.fingerprint,
        # Keys of the bank format, older than the names of the options.
        sampler=dict(
            name=options.sampler,
            steps=options.num_inference_steps,
            strength=options.strength,
            guidance=options.guidance_scale,
        ),
        max_window=options.max_window,
        mix=dict(options.mix),
        seed=options.seed,
        training_split=dict(
            ann_file=Path(ann_file).name,
            sha256=hashlib.sha256(Path(ann_file).read_bytes()).hexdigest(),
        ),
        classes=list(generator.classes),
        per_class=dict(options.per_class),
        # Older banks lack it.
        **(dict(missed=options.missed) if options.missed else {}),
    )


def open_hosts(
    generator: Generator, ann_file: str | Path, img_prefix: str | Path
) -> LabeledImages:
    """Opens the training images of a generator, the hosts of its windows.

    Raises:
        FileNotFoundError: The json is missing.
        ValueError: Its classes are not those of the generator, or its images
            are in color and the generator paints gray windows.
    """
    data = LabeledImages(ann_file, img_prefix, generator.channels)
    if data.classes != generator.classes:
        msg = (
            f'the generator was trained on the classes {generator.classes}, '
            f'{ann_file} has {data.classes}; train a generator on it'
        )
        raise InputError(msg)
    data.check_colors()
    return data


def _check_same_device(kinds: list[str]) -> None:
    """Refuses ranks on several kinds of device, on the main process.

    Their bank would depend on which rank made which block.
    """
    if len(set(kinds)) == 1:
        return
    if not is_main_process():
        raise SystemExit(1)
    msg = (
        f'the ranks run on several kinds of device, {sorted(set(kinds))}; '
        'start them on devices of one kind'
    )
    raise InputError(msg)
