"""Measuring synthesis: which parts there are, and in which order."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import diffusers
import torch
from mmengine.config import Config

from benchmarks.speed.bank import bank_rows
from benchmarks.speed.process_scaling import Work, scaling_rows
from benchmarks.speed.sampling import painting_rows, sampling_rows
from benchmarks.speed.table import PARTS, Row, write_speeds
from benchmarks.speed.unet import share_rows, unet_arguments, unet_rows
from benchmarks.speed.windows import draw_batch, our_sampling
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.run import BLOCK, open_hosts
from mmdet_ddpm_moco.synthesis.settings import (
    BankOptions,
    bank_settings,
    training_images,
)
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.errors import InputError
from mmdet_ddpm_moco.utils.paths import find_config


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
            raise InputError(msg)
    generator = load_generator(folder)
    data = open_hosts(generator, ann_file, img_prefix)
    options = BankOptions()
    bank_settings(generator, ann_file, options)  # checks the generator
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    unet = generator.unet.to(device)
    drawn = draw_batch(generator, ann_file, img_prefix, batch, device)
    ours = our_sampling(generator, drawn, options)
    rows: list[Row] = []
    if 'sampling' in parts:
        _say('our sampling against plain DDPM')
        rows += sampling_rows(generator, drawn, options, repeats, device)
        _say(f'painting and judging {windows} windows')
        rows += painting_rows(generator, data, options, windows, device)
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
            options,
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


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Compares, on this machine: our sampling with all steps '
        'of plain DDPM; the U-Net in other number formats and layouts; two '
        'processes with one. Then it opens made-up banks, up to a million '
        'windows large. OMP_NUM_THREADS sets the threads of all but the '
        'processes. On a CPU the plain DDPM takes minutes.',
    )
    parser.add_argument(
        'config',
        help='config of the generator (configs/ddpm): names the training '
        'images',
    )
    parser.add_argument(
        '--generator',
        required=True,
        metavar='DIR',
        help='folder of the trained generator: <work dir of its training>/'
        'generator',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        default=PARTS,
        choices=PARTS,
        help='measure these parts',
    )
    parser.add_argument(
        '--batch', type=int, default=4, help='windows at once (default: 4)'
    )
    parser.add_argument(
        '--windows',
        type=int,
        default=32,
        help='windows to put through the quality gates (default: 32)',
    )
    parser.add_argument(
        '--repeats',
        type=int,
        default=5,
        help='runs that a median is taken of (default: 5)',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='also try torch.compile, which takes minutes',
    )
    parser.add_argument('--device', help='cuda where there is a GPU')
    parser.add_argument('--out', metavar='FILE', help='json to write')
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    # Its profiler complains of every GPU that is not there.
    os.environ.setdefault('KINETO_LOG_LEVEL', '6')

    images = training_images(Config.fromfile(find_config(args.config)))
    rows, setting = measure_synthesis(
        args.generator,
        images['ann_file'],
        images['img_prefix'],
        parts=args.only,
        batch=args.batch,
        windows=args.windows,
        repeats=args.repeats,
        compiled=args.compile,
        device=args.device,
    )
    write_speeds(rows, setting, args.out)


if __name__ == '__main__':
    main()
