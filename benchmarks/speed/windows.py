"""The windows that sampling is timed on."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mmdet_ddpm_moco.datasets.defect_window_dataset import (
    DefectWindowDataset,
    alpha_to_tensor,
    to_tensor,
)
from mmdet_ddpm_moco.synthesis.generator import Generator
from mmdet_ddpm_moco.synthesis.samplers import build_sampler, sample_windows
from mmdet_ddpm_moco.synthesis.settings import BankOptions


@dataclass(frozen=True)
class WindowBatch:
    """Windows of the training images, and the noise to start from.

    Attributes:
        image (torch.Tensor): float32 (N, C, H, W) in [-1, 1].
        mask (torch.Tensor): float32 (N, 1, H, W) in [0, 1], alpha.
        label (torch.Tensor): int64 (N, ).
        noise (torch.Tensor): float32 (N, C, H, W), standard normal.
    """

    image: torch.Tensor
    mask: torch.Tensor
    label: torch.Tensor
    noise: torch.Tensor


def draw_batch(
    generator: Generator,
    ann_file: str | Path,
    img_prefix: str | Path,
    number: int,
    device: str = 'cpu',
) -> WindowBatch:
    """Draws training windows of a generator.

    Args:
        generator (Generator): The generator.
        ann_file (str | Path): COCO json of its training images.
        img_prefix (str | Path): Folder that its file names start from.
        number (int): Windows, at least 1.
        device (str): Where they are put. Defaults to 'cpu'.

    Returns:
        WindowBatch: The same for the same arguments.

    Raises:
        FileNotFoundError: The json or an image is missing.
        ValueError: No annotations, or an image smaller than a window.
    """
    data = DefectWindowDataset(
        str(ann_file),
        str(img_prefix),
        window=generator.window,
        channels=generator.channels,
    )
    rng = np.random.RandomState(0)
    pixels, alphas, labels = zip(*(data.draw(rng) for _ in range(number)))
    image = torch.stack([to_tensor(p) for p in pixels])
    mask = torch.stack([alpha_to_tensor(a) for a in alphas])
    source = torch.Generator().manual_seed(0)
    noise = torch.randn(image.shape, generator=source)
    parts = (image, mask, torch.tensor(labels), noise)
    return WindowBatch(*(part.to(device) for part in parts))


def our_sampling(
    generator: Generator, batch: WindowBatch, options: BankOptions
) -> partial:
    """Sampling as synthesis runs it, as a call without arguments.

    Args:
        generator (Generator): Its U-Net is where the batch is.
        batch (WindowBatch): The windows.
        options (BankOptions): The sampler.

    Returns:
        partial: A call of :func:`sample_windows` from pure noise.
    """
    return partial(
        sample_windows,
        generator.unet,
        build_sampler(options.sampler, generator.scheduler),
        batch.image,
        batch.mask,
        batch.label,
        batch.noise,
        num_inference_steps=options.num_inference_steps,
        guidance_scale=options.guidance_scale,
        null_label=generator.null_label,
    )
