"""Options and messages that the two speed benchmarks share."""

import argparse
import platform
import sys
from collections.abc import Sequence

import torch

from mmdet_ddpm_moco.utils.errors import InputError


def add_arguments(
    parser: argparse.ArgumentParser, parts: Sequence[str]
) -> None:
    """Adds ``--only``, ``--repeats``, ``--device`` and ``--out``."""
    parser.add_argument(
        '--only',
        nargs='+',
        default=parts,
        choices=parts,
        help='measure these parts only',
    )
    parser.add_argument(
        '--repeats',
        type=int,
        default=5,
        help='runs per median (default: 5)',
    )
    parser.add_argument('--device', help='default: cuda where available')
    parser.add_argument('--out', metavar='FILE', help='JSON file to write')


def check_positive(**numbers: int) -> None:
    """Raises a ValueError that names the first number below 1."""
    for name, number in numbers.items():
        if number < 1:
            msg = f'{name} must be at least 1, got {number}'
            raise InputError(msg)


def announce(part: str) -> None:
    """Prints on stderr which part is being measured."""
    print(f'measuring: {part}', file=sys.stderr, flush=True)


def default_device(device: str | None) -> str:
    """The device, or CUDA where there is a GPU, else the CPU."""
    return device or ('cuda' if torch.cuda.is_available() else 'cpu')


def device_name(device: str) -> str:
    """Name of a GPU, or the machine's architecture."""
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{device} ({platform.machine()})'
