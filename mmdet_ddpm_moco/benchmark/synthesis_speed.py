"""Measuring synthesis: which parts there are, and in which order."""

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import diffusers
import torch

from ..synthesis.bank_settings import bank_settings
from ..synthesis.generator import load_generator
from ..synthesis.synthesize import BLOCK, host_images
from .bank_speed import bank_rows
from .process_scaling import Work, scaling_rows
from .sampling_speed import painting_rows, sampling_rows
from .speed_table import PARTS, Row
from .unet_share import share_rows
from .unet_speed import unet_arguments, unet_rows
from .window_batch import draw_batch, our_sampling


def measure_synthesis(
    folder: str | Path,
    ann_file: str | Path,
    img_prefix: str | Path,
    *,
    parts: Sequence[str] = PARTS,
    batch: int = 4,
    windows: int = BLOCK,
    repeats: int = 5,
    compiled: bool = False,
    device: str | None = None,
) -> tuple[list[Row], dict]:
    """Measures the speed of synthesis with a trained generator.

    Args:
        folder (str | Path): Folder of the generator.
        ann_file (str | Path): COCO json of its training images.
        img_prefix (str | Path): Folder that its file names start from.
        parts (Sequence[str]): Of ``PARTS``. Defaults to all.
        batch (int): Windows sampled at once, at least 1. Defaults to 4.
        windows (int): Windows that are painted and judged, at least 1.
            Defaults to a block of a bank.
        repeats (int): Timed runs of what is repeated, at least 1. Defaults
            to 5.
        compiled (bool): Also try ``torch.compile``. Defaults to False.
        device (str | None): Defaults to CUDA where there is a GPU.

    Returns:
        tuple[list[Row], dict]: What was measured, and on what.

    Raises:
        FileNotFoundError: There is no generator, or no annotations.
        ValueError: A number is below 1, or the generator makes no bank or
            not of these images.
    """
    numbers = dict(batch=batch, windows=windows, repeats=repeats)
    for name, number in numbers.items():
        if number < 1:
            msg = f'{name} must be at least 1, got {number}'
            raise ValueError(msg)
    generator = load_generator(folder)
    data = host_images(generator, ann_file, img_prefix)
    settings = bank_settings(generator, ann_file)
    sampler = settings['sampler']
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    unet = generator.unet.to(device)
    drawn = draw_batch(generator, ann_file, img_prefix, batch, device)
    ours = our_sampling(generator, drawn, sampler)
    rows: list[Row] = []
    if 'sampling' in parts:
        _say('our sampling against plain DDPM')
        rows += sampling_rows(generator, drawn, sampler, repeats, device)
        _say(f'painting and judging {windows} windows')
        rows += painting_rows(generator, data, settings, windows, device)
    if 'share' in parts:
        _say('the share of the U-Net')
        rows += share_rows(unet, ours, repeats, device)
    if 'unet' in parts:
        _say('the forward of the U-Net')
        last = generator.scheduler.config.num_train_timesteps - 1
        arguments = unet_arguments(drawn, last)
        rows += unet_rows(unet, arguments, repeats, device, compiled)
    if 'processes' in parts:
        _say('one process and two')
        work = Work(
            str(folder),
            str(ann_file),
            str(img_prefix),
            batch,
            sampler,
            batches=3,
            rounds=repeats,
        )
        rows += scaling_rows(work)
    if 'bank' in parts:
        _say('opening banks, and look-ups')
        rows += bank_rows(repeats)
    setting = dict(
        batch=batch,
        window=generator.window,
        parameters=sum(p.numel() for p in unet.parameters()),
        device=_device_name(device),
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        torch=torch.__version__,
        diffusers=diffusers.__version__,
    )
    return rows, setting


def _say(part: str) -> None:
    print(f'measuring: {part}', file=sys.stderr, flush=True)


def _device_name(device: str) -> str:
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{device} ({platform.machine()})'
