"""What DiffusionDefectAugment costs in a training pipeline, on this machine.

Run as ``python -m benchmarks.speed.transform --help`` from the root of the
repository.
"""

import argparse
import copy
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import cv2
import mmdet
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmdet.utils import register_all_modules

from benchmarks.speed.cli import announce, check_positive
from benchmarks.speed.plates import CLASSES, WINDOW, WINDOWS, write_plates
from benchmarks.speed.table import Row, write_speeds
from mmdet_ddpm_moco.utils.cli import one_line_errors

SIDES = (1024, 2048)
LOAD = (
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
)
AFTER = (
    dict(type='Resize', scale=(1333, 800), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
)


def measure_transform(
    *, sides: tuple = SIDES, images: int = 12, repeats: int = 15
) -> tuple[list[Row], dict]:
    """Measures the transform on drawn images and a bank on them.

    Args:
        sides (tuple[int, ...]): Height and width of the images in pixels, at
            least 512. Defaults to 1024 and 2048.
        images (int): Images of each size, at least 1. Defaults to 12.
        repeats (int): Timed passes over them, at least 1. Defaults to 15.

    Returns:
        tuple[list[Row], dict]: The measurements; machine and versions.

    Raises:
        ValueError: A number is below 1.
    """
    check_positive(images=images, repeats=repeats)
    register_all_modules(init_default_scope=True)
    # Also the resize is done by this one thread, whose CPU time is measured.
    cv2.setNumThreads(1)
    rows: list[Row] = []
    for side in sides:
        announce(f'images of {side}x{side}')
        with tempfile.TemporaryDirectory() as folder:
            root = write_plates(Path(folder) / 'set', images, side)
            rows += _rows_of(root, side, images, repeats)
    setting = dict(
        clock='CPU time of one thread',
        windows=f'{WINDOWS} of {WINDOW}x{WINDOW} in every image',
        cores=os.cpu_count(),
        torch=torch.__version__,
        mmdet=mmdet.__version__,
        opencv=cv2.__version__,
    )
    return rows, setting


def _rows_of(root: Path, side: int, images: int, repeats: int) -> list[Row]:
    augment = dict(
        type='mmdet_ddpm_moco.DiffusionDefectAugment',
        bank=str(root / 'bank'),
        prob=1.0,
        # The number is drawn up to this: nearly always all that there are.
        max_windows=10**9,
    )
    without = _dataset(root, [*LOAD, *AFTER])
    added = _dataset(root, [*LOAD, augment, *AFTER])
    assert len(added[0]['data_samples'].gt_instances) >= WINDOWS
    loaded = _dataset(root, LOAD)
    paste = added.pipeline.transforms[len(LOAD)]
    copy_paste = _copy_paste()

    def ours(index: int) -> float:
        return _seconds(paste.transform, loaded[index])

    def theirs(index: int) -> float:
        results = loaded[index]
        other = loaded[(index + 1) % images]
        results['mix_results'] = [copy.deepcopy(other)]
        return _seconds(copy_paste.transform, results)

    # Apart: CopyPaste leaves caches and memory to whoever comes next.
    whole = _in_turns(
        dict(
            without=lambda index: _seconds(without.__getitem__, index),
            added=lambda index: _seconds(added.__getitem__, index),
        ),
        images,
        repeats,
    )
    alone = _in_turns(dict(ours=ours, theirs=theirs), images, repeats)
    base = median(whole['without'])
    more = median(b - a for a, b in zip(whole['without'], whole['added']))
    ours_alone, theirs_alone = median(alone['ours']), median(alone['theirs'])
    part = f'{side}x{side}'
    how = f'median of {repeats} passes over {images} JPEG images, in turns'
    return [
        Row(part, 'load, resize, flip, pack', 1e3 * base, 'ms', how),
        Row(part, 'with the transform: on top', 100 * more / base, '%', how,
            most=8),
        Row(part, 'the transform alone', 1e3 * ours_alone, 'ms', how),
        Row(part, "mmdet's CopyPaste alone", 1e3 * theirs_alone, 'ms', how),
        Row(part, 'the transform against CopyPaste',
            ours_alone / theirs_alone, 'x', how, most=1),
    ]  # fmt: skip


def _dataset(root: Path, pipeline: list | tuple) -> torch.utils.data.Dataset:
    return DATASETS.build(
        dict(
            type='CocoDataset',
            data_root=str(root),
            ann_file='train.json',
            data_prefix=dict(img='images/'),
            metainfo=dict(classes=CLASSES),
            pipeline=list(pipeline),
        )
    )


def _copy_paste() -> object:
    """CopyPaste of about as many boxes, as for data without masks."""
    from mmdet.datasets.transforms import CopyPaste

    return CopyPaste(max_num_pasted=2 * WINDOWS + 1, paste_by_box=True)


def _seconds(call: Callable, argument: object) -> float:
    start = time.thread_time()
    call(argument)
    return time.thread_time() - start


def _in_turns(
    calls: Mapping[str, Callable[[int], float]], images: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each call, by name.

    Calls of an image follow each other, each first in its turn: what runs
    before a call changes how long it takes.
    """
    np.random.seed(0)
    random.seed(0)
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for index in range(images):
            order = list(calls.items())
            if (turn + index) % 2:
                order.reverse()
            for name, call in order:
                spent = call(index)
                if turn:  # the first warms up
                    took[name].append(spent)
    return took


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.speed.transform',
        description='Measures on this machine what DiffusionDefectAugment '
        'costs on top of load, resize, flip and pack, with three windows of '
        "128x128 in each drawn JPEG image, and against mmdet's CopyPaste on "
        'the same images. All take turns in one run, by the CPU time of one '
        'thread, so that other work matters little.',
    )
    parser.add_argument(
        '--sides',
        type=int,
        nargs='+',
        default=SIDES,
        help='height and width of the images (default: 1024 2048)',
    )
    parser.add_argument(
        '--images',
        type=int,
        default=12,
        help='images of each size (default: 12)',
    )
    parser.add_argument(
        '--repeats',
        type=int,
        default=15,
        help='timed passes over them (default: 15)',
    )
    parser.add_argument('--out', metavar='FILE', help='JSON file to write')
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    rows, setting = measure_transform(
        sides=tuple(args.sides), images=args.images, repeats=args.repeats
    )
    write_speeds(rows, setting, args.out)


if __name__ == '__main__':
    main()
