"""How fast windows are synthesized and banks are read, on this machine.

Run as ``python -m benchmarks.speed.synthesis --help`` from the root of the
repository.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import diffusers
import torch
from mmengine.config import Config

from benchmarks.speed.bank import bank_rows
from benchmarks.speed.cli import (
    add_arguments,
    announce,
    check_positive,
    default_device,
    device_name,
)
from benchmarks.speed.process_scaling import Work, scaling_rows
from benchmarks.speed.sampling import painting_rows, sampling_rows
from benchmarks.speed.table import Row, write_speeds
from benchmarks.speed.unet import share_rows, unet_arguments, unet_rows
from benchmarks.speed.windows import draw_batch, our_sampling
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.run import BLOCK, bank_settings, open_hosts
from mmdet_ddpm_moco.synthesis.settings import BankOptions, training_images
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.paths import find_config

# In the order they are run.
PARTS = ('sampling', 'share', 'unet', 'processes', 'bank')


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
        windows (int): Windows that are painted and checked by the gates, at
            least 1. Defaults to a block of a bank.
        repeats (int): Timed runs per median, at least 1. Defaults to 5.
        compiled (bool): Also try ``torch.compile``. Defaults to False.
        device (str | None): Defaults to CUDA where there is a GPU.

    Returns:
        tuple[list[Row], dict]: The measurements; sizes, machine and versions.

    Raises:
        FileNotFoundError: There is no generator, or no annotations.
        ValueError: A number is below 1, or the generator cannot make a bank
            of these images.
    """
    check_positive(batch=batch, windows=windows, repeats=repeats)
    generator = load_generator(folder)
    data = open_hosts(generator, ann_file, img_prefix)
    options = BankOptions()
    bank_settings(generator, ann_file, options)  # checks the generator
    device = default_device(device)
    unet = generator.unet.to(device)
    drawn = draw_batch(generator, ann_file, img_prefix, batch, device)
    ours = our_sampling(generator, drawn, options)
    rows: list[Row] = []
    if 'sampling' in parts:
        announce('sampling, against DDPM through all steps')
        rows += sampling_rows(generator, drawn, options, repeats, device)
        announce(f'painting {windows} windows and checking them')
        rows += painting_rows(generator, data, options, windows, device)
    if 'share' in parts:
        announce('the share of the U-Net')
        rows += share_rows(unet, ours, repeats, device)
    if 'unet' in parts:
        announce('the forward pass of the U-Net')
        last = generator.scheduler.config.num_train_timesteps - 1
        arguments = unet_arguments(drawn, last)
        rows += unet_rows(unet, arguments, repeats, device, compiled)
    if 'processes' in parts:
        announce('one process and two')
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
        announce('opening banks, and look-ups')
        rows += bank_rows(repeats)
    setting = dict(
        batch=batch,
        window=generator.window,
        parameters=sum(p.numel() for p in unet.parameters()),
        device=device_name(device),
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        torch=torch.__version__,
        diffusers=diffusers.__version__,
    )
    return rows, setting


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.speed.synthesis',
        description='Measures on this machine: sampling as synthesis runs it '
        'against all steps of DDPM; the U-Net in other number formats and '
        'memory layouts; two processes against one; opening artificial banks '
        'of up to a million windows. OMP_NUM_THREADS sets the threads of all '
        'but the processes. On a CPU, DDPM takes minutes.',
    )
    parser.add_argument(
        'config',
        help='config of the generator (configs/ddpm), which names the '
        'training images',
    )
    parser.add_argument(
        '--generator',
        required=True,
        metavar='DIR',
        help='trained generator: <work dir of its training>/generator',
    )
    parser.add_argument(
        '--batch', type=int, default=4, help='windows at once (default: 4)'
    )
    parser.add_argument(
        '--windows',
        type=int,
        default=32,
        help='windows to paint and check by the gates (default: 32)',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='also try torch.compile, which takes minutes',
    )
    add_arguments(parser, PARTS)
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    # torch's profiler warns of every GPU that is missing.
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
