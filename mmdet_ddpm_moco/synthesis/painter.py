"""Painting planned windows: from plans to records and pixels."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch.nn.functional import pad

from ..bank.compositing import as_bgr, composite, crop
from ..bank.format import REPLACES
from ..datasets.defect_window_dataset import alpha_to_tensor, to_tensor
from ..datasets.labeled_images import LabeledImages
from .gates import QualityGates
from .generator import Generator
from .planner import WindowPlan
from .samplers import build_sampler, sample_windows
from .settings import BankOptions

# Windows sampled at once. Fixed, because the U-Net's last bits depend on it.
BATCH_PIXELS = 16 * 64 * 64


class WindowPainter:
    """Samples planned windows in their hosts and applies the gates.

    Without gates none is rejected.
    """

    def __init__(
        self,
        generator: Generator,
        data: LabeledImages,
        gates: QualityGates | None,
        options: BankOptions,
        device: str,
    ) -> None:
        self.unet = generator.unet.to(device)
        self.sampler = build_sampler(options.sampler, generator.scheduler)
        self.multiple = generator.multiple
        self.null_label = generator.null_label
        self.data = data
        self.gates = gates
        self.options = options
        self.device = device

    def paint(
        self, plans: Mapping[int, WindowPlan]
    ) -> tuple[list[dict], list[np.ndarray | None]]:
        """Synthesizes windows from their plans by window number.

        Returns:
            tuple: Records and pixels, for :meth:`BankWriter.write_block`.
        """
        painted: dict[int, np.ndarray] = {}
        for strength, numbers in self._batches(plans):
            painted.update(self._sample(strength, numbers, plans))
        records, pixels = [], []
        for number, plan in plans.items():
            before = crop(self.data.read(plan.image), plan.window)
            after = composite(before, painted[number], plan.alpha)
            rejected = None
            if self.gates is not None:
                rejected = self.gates.rejection(plan, before, after)
            records.append(
                dict(
                    number=number,
                    kind=plan.kind,
                    label=plan.label,
                    source=self.data.images[plan.image].file_name,
                    window=list(plan.window),
                    box=list(plan.box),
                    replaces=plan.replaces,
                    rejected=rejected,
                )
            )
            pixels.append(
                None if rejected else np.dstack([as_bgr(after), plan.alpha])
            )
        return records, pixels

    def _batches(
        self, plans: Mapping[int, WindowPlan]
    ) -> list[tuple[float, list[int]]]:
        """Strength and numbers of windows that can be sampled at once."""
        groups: dict[tuple, list[int]] = defaultdict(list)
        for number, plan in plans.items():
            strength = self.options.strength if plan.kind == REPLACES else 1.0
            _, _, w, h = plan.window
            groups[strength, w, h].append(number)
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
        numbers: Sequence[int],
        plans: Mapping[int, WindowPlan],
    ) -> dict[int, np.ndarray]:
        images, masks, noises, generators = [], [], [], []
        for number in numbers:
            plan = plans[number]
            image = to_tensor(crop(self.data.read(plan.image), plan.window))
            # Plans have the same seeds; the 1 keeps noise independent of them.
            seeds = np.random.SeedSequence([self.options.seed, number, 1])
            state = int(seeds.generate_state(1)[0])
            generator = torch.Generator().manual_seed(state)
            images.append(image)
            masks.append(alpha_to_tensor(plan.alpha))
            noises.append(torch.randn(image.shape, generator=generator))
            generators.append(generator)
        h, w = images[0].shape[1:]
        padding = (0, -w % self.multiple, 0, -h % self.multiple)
        image, mask, noise = (
            pad(torch.stack(part), padding, mode='replicate').to(self.device)
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
            num_inference_steps=self.options.num_inference_steps,
            strength=strength,
            guidance_scale=self.options.guidance_scale,
            null_label=self.null_label,
            generators=generators,
        )[..., :h, :w]
        pixels = ((sampled.cpu() + 1) * 127.5).round().to(torch.uint8)
        return dict(zip(numbers, pixels.permute(0, 2, 3, 1).numpy()))
