"""From a generator and labelled images to a finished bank."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn.functional import pad
from tqdm import tqdm

from ..datasets.compositing import composite, crop
from ..datasets.defect_bank import DefectBank
from ..datasets.defect_window_dataset import to_tensor
from ..datasets.labelled_images import LabelledImages
from ..models.conditioning import MASK
from .bank_writer import BankWriter
from .gates import QualityGates
from .generator import Generator
from .planning import WindowPlan, WindowPlanner
from .samplers import build_sampler
from .sampling import check_sampling, sample_windows
from .sheet import draw_sheet

# Windows per block: the unit that is written, seeded and lost at once.
BLOCK = 32
# Windows sampled at once. Fixed, because the U-Net's last bits depend on it.
BATCH_PIXELS = 16 * 64 * 64
# Windows tried per window asked for, before the gates are taken to refuse
# everything.
MAX_TRIES = 4


DEFAULT_MIX = dict(add=0.4, replaces=0.5, null=0.1)


def bank_settings(
    generator: Generator,
    ann_file: str | Path,
    *,
    sampler: str = 'dpmsolver++',
    steps: int = 20,
    strength: float = 0.6,
    guidance: float = 1.0,
    max_window: int = 128,
    mix: Mapping[str, float] = DEFAULT_MIX,
    seed: int = 0,
) -> dict:
    """All that the windows of a bank depend on, as its manifest states it.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images.
        sampler (str): One of ``SAMPLERS``. Defaults to 'dpmsolver++'.
        steps (int): Sampler steps from pure noise. Defaults to 20.
        strength (float): How far ``replaces`` windows go from their source,
            in (0, 1]. Others start from pure noise. Defaults to 0.6.
        guidance (float): Weight of the class, see :func:`sample_windows`.
            Defaults to 1.0.
        max_window (int): Largest window side in pixels. Defaults to 128.
        mix (Mapping[str, float]): Share of ``add``, ``replaces`` and
            ``null`` windows. Defaults to 0.4, 0.5 and 0.1.
        seed (int): Seed, >= 0. Defaults to 0.

    Returns:
        dict: JSON types.

    Raises:
        ValueError: An argument is out of range, or nothing the generator
            can do.
    """
    check_sampling(
        build_sampler(sampler, generator.scheduler), steps, strength
    )
    if generator.conditioning != MASK:
        msg = (
            "a bank needs a generator with conditioning='mask', this one "
            f'has {generator.conditioning!r}: nobody knows where in a window '
            'its defects lie'
        )
        raise ValueError(msg)
    if guidance != 1 and generator.no_class is None:
        msg = (
            f'guidance={guidance} needs a generator that was trained with '
            'class_dropout above 0; train one, or use guidance 1'
        )
        raise ValueError(msg)
    return dict(
        generator=generator.fingerprint,
        sampler=dict(
            name=sampler, steps=steps, strength=strength, guidance=guidance
        ),
        max_window=max_window,
        mix=dict(mix),
        seed=seed,
        training_split=dict(
            ann_file=Path(ann_file).name,
            sha256=hashlib.sha256(Path(ann_file).read_bytes()).hexdigest(),
        ),
        classes=list(generator.classes),
    )


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
    device: str | None = None,
    **options: Any,
) -> dict:
    """Synthesises a defect bank, or finishes one that was begun.

    ``sheet.png`` in its folder shows real defects beside synthesised ones.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images, the ones
            the generator was trained on.
        img_prefix (str | Path): Folder that its file names start from.
        out (str | Path): Folder of the bank.
        num (int): Windows to keep, at least 1.
        device (str | None): Defaults to CUDA where there is a GPU.
        **options: Those of :func:`bank_settings`.

    Returns:
        dict: The manifest.

    Raises:
        ValueError: An argument is out of range, the generator does not fit
            the images, the folder can not be used, or the gates refused
            nearly everything.
    """
    if num < 1:
        msg = f'num must be at least 1, got {num}'
        raise ValueError(msg)
    data = host_images(generator, ann_file, img_prefix)
    settings = bank_settings(generator, ann_file, **options)
    sampler, seed = settings['sampler'], settings['seed']
    planner = WindowPlanner(
        data, max_window=settings['max_window'], mix=settings['mix'], seed=seed
    )
    writer = BankWriter(out, settings)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    gates = QualityGates(data, planner)
    painter = WindowPainter(generator, data, gates, sampler, seed, device)

    kept = block = 0
    with tqdm(total=num, desc='synthesising', unit='window') as bar:
        while kept < num:
            if block * BLOCK >= MAX_TRIES * num + BLOCK:
                msg = (
                    f'only {kept} of {block * BLOCK} windows passed the '
                    'quality gates; train the generator longer or raise '
                    'the strength'
                )
                raise ValueError(msg)
            records = writer.read_block(block)
            if records is None:
                numbers = range(block * BLOCK, (block + 1) * BLOCK)
                plans = {n: planner.plan(n) for n in numbers}
                records, pictures = painter.paint(plans)
                writer.write_block(block, records, pictures)
            accepted = sum(r['rejected'] is None for r in records)
            bar.update(min(accepted, num - kept))
            kept += accepted
            block += 1
    manifest = writer.close(num)
    cv2.imwrite(
        str(Path(out) / 'sheet.png'), draw_sheet(DefectBank(out), data)
    )
    return manifest


class WindowPainter:
    """Samples planned windows and judges them.

    Args:
        generator (Generator): The generator.
        data (LabelledImages): The hosts.
        gates (QualityGates): What judges them.
        sampler (Mapping): ``name``, ``steps``, ``strength`` and
            ``guidance``, as in :func:`bank_settings`.
        seed (int): Seed of the noise.
        device (str): Where the U-Net runs.
    """

    def __init__(
        self,
        generator: Generator,
        data: LabelledImages,
        gates: QualityGates,
        sampler: Mapping,
        seed: int,
        device: str,
    ) -> None:
        self.unet = generator.unet.to(device)
        self.sampler = build_sampler(sampler['name'], generator.scheduler)
        self.multiple = generator.multiple
        self.no_class = generator.no_class
        self.data = data
        self.gates = gates
        self.steps = sampler['steps']
        self.strength = sampler['strength']
        self.guidance = sampler['guidance']
        self.seed = seed
        self.device = device

    def paint(
        self, plans: Mapping[int, WindowPlan]
    ) -> tuple[list[dict], list[np.ndarray | None]]:
        """Samples the windows of one block.

        Args:
            plans (Mapping[int, WindowPlan]): Plans by window number.

        Returns:
            tuple: Records and pictures, as ``BankWriter.write_block`` takes
            them.
        """
        painted = {}
        for strength, numbers in self._batches(plans):
            painted.update(self._sample(strength, numbers, plans))
        records, pictures = [], []
        for number, plan in plans.items():
            before = crop(self.data.read(plan.image), plan.window)
            after = composite(before, painted[number], plan.alpha)
            failed = self.gates.rejection(plan, before, after)
            records.append(
                dict(
                    number=number,
                    kind=plan.kind,
                    label=plan.label,
                    source=self.data.images[plan.image].file_name,
                    window=list(plan.window),
                    box=list(plan.box),
                    replaces=plan.replaces,
                    rejected=failed,
                )
            )
            pictures.append(None if failed else _bgra(after, plan.alpha))
        return records, pictures

    def _batches(
        self, plans: Mapping[int, WindowPlan]
    ) -> list[tuple[float, list[int]]]:
        """Groups windows that can be sampled at once."""
        groups: dict[tuple, list[int]] = {}
        for number, plan in plans.items():
            strength = self.strength if plan.kind == 'replaces' else 1.0
            key = (strength, *plan.window[2:])
            groups.setdefault(key, []).append(number)
        batches = []
        for (strength, w, h), numbers in sorted(groups.items()):
            size = max(1, BATCH_PIXELS // (w * h))
            batches += [
                (strength, numbers[i : i + size])
                for i in range(0, len(numbers), size)
            ]
        return batches

    def _sample(
        self,
        strength: float,
        numbers: list[int],
        plans: Mapping[int, WindowPlan],
    ) -> dict[int, np.ndarray]:
        images, masks, noises, sources = [], [], [], []
        for number in numbers:
            plan = plans[number]
            image = to_tensor(crop(self.data.read(plan.image), plan.window))
            images.append(image)
            masks.append(
                torch.from_numpy(plan.alpha.astype(np.float32) / 255)[None]
            )
            source = torch.Generator().manual_seed(
                _noise_seed(self.seed, number)
            )
            sources.append(source)
            noises.append(torch.randn(image.shape, generator=source))
        h, w = images[0].shape[1:]
        extra = (0, -w % self.multiple, 0, -h % self.multiple)
        image, mask, noise = (
            pad(torch.stack(part), extra, mode='replicate').to(self.device)
            for part in (images, masks, noises)
        )
        label = torch.tensor(
            [plans[n].label for n in numbers], device=self.device
        )
        sampled = sample_windows(
            self.unet,
            self.sampler,
            image,
            mask,
            label,
            noise,
            steps=self.steps,
            strength=strength,
            guidance=self.guidance,
            no_class=self.no_class,
            generators=sources,
        )[..., :h, :w]
        pixels = ((sampled.cpu() + 1) * 127.5).round().to(torch.uint8)
        return dict(zip(numbers, pixels.permute(0, 2, 3, 1).numpy()))


def _noise_seed(seed: int, number: int) -> int:
    # The 1 keeps the noise apart from the plan, which has the same seeds.
    state = np.random.SeedSequence([seed, number, 1]).generate_state(1)
    return int(state[0])


def _bgra(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    if pixels.shape[2] == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return np.dstack([pixels, alpha])
