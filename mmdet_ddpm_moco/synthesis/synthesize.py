"""From a generator and labelled images to a finished bank."""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn.functional import pad

from ..atomic_write import atomic_write_bytes
from ..datasets.compositing import composite, crop
from ..datasets.defect_bank import DefectBank
from ..datasets.defect_window_dataset import to_tensor
from ..datasets.labelled_images import LabelledImages
from ..ranks import on_main, patient_ranks, together
from .bank_claim import begun
from .bank_writer import BankWriter
from .fill_bank import Painter, fill_bank
from .gates import rejection
from .generator import Generator
from .planning import WindowPlan, WindowPlanner
from .sampling import check_sampling, fast_scheduler, sample_windows
from .sheet import draw_sheet
from .steady_arithmetic import steady_arithmetic

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
    steps: int = 20,
    strength: float = 0.6,
    max_window: int = 128,
    mix: Mapping[str, float] = DEFAULT_MIX,
    seed: int = 0,
) -> dict:
    """All that the windows of a bank depend on, as its manifest states it.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images.
        steps (int): Sampler steps from pure noise. Defaults to 20.
        strength (float): How far ``replaces`` windows go from their source,
            in (0, 1]. Others start from pure noise. Defaults to 0.6.
        max_window (int): Largest window side in pixels. Defaults to 128.
        mix (Mapping[str, float]): Share of ``add``, ``replaces`` and
            ``null`` windows. Defaults to 0.4, 0.5 and 0.1.
        seed (int): Seed, >= 0. Defaults to 0.

    Returns:
        dict: JSON types.

    Raises:
        ValueError: ``steps`` or ``strength`` out of range.
    """
    check_sampling(fast_scheduler(generator.scheduler), steps, strength)
    return dict(
        generator=generator.fingerprint,
        sampler=dict(name='dpmsolver++', steps=steps, strength=strength),
        max_window=max_window,
        mix=dict(mix),
        seed=seed,
        training_split=dict(
            ann_file=Path(ann_file).name,
            sha256=hashlib.sha256(Path(ann_file).read_bytes()).hexdigest(),
        ),
        classes=list(generator.classes),
    )


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
            data = _hosts(generator, ann_file, img_prefix, num)
            settings = bank_settings(generator, ann_file, **options)
            painters = _painters(generator, data, settings, device, hands)
            return data, settings, painters

        data, settings, painters = together(prepare, group)
        writer = BankWriter(out, settings)

        def begin() -> bool:
            held.enter_context(begun(out, settings))
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


def _hosts(
    generator: Generator,
    ann_file: str | Path,
    img_prefix: str | Path,
    num: int,
) -> LabelledImages:
    """The images to paint on, if they and the number are in order."""
    if num < 1:
        msg = f'num must be at least 1, got {num}'
        raise ValueError(msg)
    data = LabelledImages(ann_file, img_prefix, generator.channels)
    if data.classes != generator.classes:
        msg = (
            f'the generator knows the classes {generator.classes}, '
            f'{ann_file} has {data.classes}; train a generator on it'
        )
        raise ValueError(msg)
    return data


def _painters(
    generator: Generator,
    data: LabelledImages,
    settings: Mapping[str, Any],
    device: str,
    number: int,
) -> list[Painter]:
    """Painters that can work at the same time."""
    seed, sampler = settings['seed'], settings['sampler']
    planner = WindowPlanner(
        data, max_window=settings['max_window'], mix=settings['mix'], seed=seed
    )

    def painter() -> Painter:
        # Each has a scheduler of its own; they share the U-Net.
        windows = WindowPainter(
            generator,
            data,
            sampler['steps'],
            sampler['strength'],
            seed,
            device,
        )
        return lambda numbers: windows.paint(
            {n: planner.plan(n) for n in numbers}
        )

    return [painter() for _ in range(number)]


class WindowPainter:
    """Samples planned windows and judges them.

    Args:
        generator (Generator): The generator.
        data (LabelledImages): The hosts.
        steps (int): Sampler steps from pure noise.
        strength (float): Strength of ``replaces`` windows.
        seed (int): Seed of the noise.
        device (str): Where the U-Net runs.
    """

    def __init__(
        self,
        generator: Generator,
        data: LabelledImages,
        steps: int,
        strength: float,
        seed: int,
        device: str,
    ) -> None:
        self.unet = generator.unet.to(device)
        self.scheduler = fast_scheduler(generator.scheduler)
        self.multiple = generator.multiple
        self.data = data
        self.steps = steps
        self.strength = strength
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
            failed = rejection(plan.kind, before, after, plan.alpha)
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
        images, masks, noises = [], [], []
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
            self.scheduler,
            image,
            mask,
            label,
            noise,
            steps=self.steps,
            strength=strength,
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
