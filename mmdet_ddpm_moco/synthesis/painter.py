"""Painting planned windows: from plans to records and pictures."""

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn.functional import pad

from ..bank.compositing import as_bgr, composite, crop
from ..datasets.defect_window_dataset import alpha_to_tensor, to_tensor
from ..datasets.labeled_images import LabeledImages
from .gates import QualityGates
from .generator import Generator
from .planner import WindowPlan
from .samplers import build_sampler
from .sampling import sample_windows

# Windows sampled at once. Fixed, because the U-Net's last bits depend on it.
BATCH_PIXELS = 16 * 64 * 64


class WindowPainter:
    """Samples planned windows and judges them.

    Args:
        generator (Generator): The generator.
        data (LabeledImages): The hosts.
        gates (QualityGates): What judges them.
        sampler (Mapping): ``name``, ``steps``, ``strength`` and
            ``guidance``, as in :func:`bank_settings`.
        seed (int): Seed of the noise.
        device (str): Where the U-Net runs.
    """

    def __init__(
        self,
        generator: Generator,
        data: LabeledImages,
        gates: QualityGates,
        sampler: Mapping,
        seed: int,
        device: str,
    ) -> None:
        self.unet = generator.unet.to(device)
        self.sampler = build_sampler(sampler['name'], generator.scheduler)
        self.multiple = generator.multiple
        self.null_label = generator.null_label
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
            pictures.append(
                None if failed else np.dstack([as_bgr(after), plan.alpha])
            )
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
            masks.append(alpha_to_tensor(plan.alpha))
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
            null_label=self.null_label,
            generators=sources,
        )[..., :h, :w]
        pixels = ((sampled.cpu() + 1) * 127.5).round().to(torch.uint8)
        return dict(zip(numbers, pixels.permute(0, 2, 3, 1).numpy()))


def _noise_seed(seed: int, number: int) -> int:
    # The 1 keeps the noise apart from the plan, which has the same seeds.
    state = np.random.SeedSequence([seed, number, 1]).generate_state(1)
    return int(state[0])
