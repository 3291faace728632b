"""How fast contrastive pretraining is, on this machine.

Run as ``python -m benchmarks.speed.pretraining --help`` from the root of the
repository.
"""

import argparse
import os
from collections.abc import Sequence

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from benchmarks.speed.cli import (
    add_arguments,
    announce,
    check_positive,
    default_device,
    device_name,
)
from benchmarks.speed.moco_variants import random_batch
from benchmarks.speed.precision import precision_rows
from benchmarks.speed.step import step_rows
from benchmarks.speed.table import Row, write_speeds
from benchmarks.speed.views import pipeline_rows, view_settings
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.config_options import ConfigAction, merge_options
from mmdet_ddpm_moco.utils.errors import InputError
from mmdet_ddpm_moco.utils.paths import find_config

# In the order they are run.
PARTS = ('pipeline', 'step', 'precision')


def measure_pretraining(
    cfg: Config,
    *,
    parts: Sequence[str] = PARTS,
    images: int = 64,
    batch: int | None = None,
    repeats: int = 5,
    device: str | None = None,
) -> tuple[list[Row], dict]:
    """Measures the speed of contrastive pretraining with a config.

    Args:
        cfg (Config): Of the training of a ``DatasetMoCo``.
        parts (Sequence[str]): Of ``PARTS``. Defaults to all.
        images (int): Training images that views are made of, at least 1.
            Defaults to 64.
        batch (int | None): Samples of a step, at least 1. Defaults to the
            config's.
        repeats (int): Timed runs per median, at least 1. Defaults to 5.
        device (str | None): Defaults to CUDA where there is a GPU.

    Returns:
        tuple[list[Row], dict]: The measurements; sizes, machine and versions.

    Raises:
        FileNotFoundError: The training images are missing.
        ValueError: A number is below 1, or the config has no
            ``DatasetMoCo``, other views, or a queue that mmpretrain's MoCo
            cannot fill with such batches.
    """
    batch = cfg.train_dataloader.batch_size if batch is None else batch
    check_positive(images=images, batch=batch, repeats=repeats)
    kind = cfg.get('model', {}).get('type', None)
    if str(kind).split('.')[-1] != 'DatasetMoCo':
        msg = f'needs the config of a DatasetMoCo, its model is {kind}'
        raise InputError(msg)
    queue = cfg.model.get('queue_len', 8192)
    if 'step' in parts and queue % batch:
        msg = (
            f"mmpretrain's MoCo needs batches that divide queue_len={queue}, "
            f'got {batch}: choose another --batch'
        )
        raise InputError(msg)
    settings = view_settings(cfg.train_dataloader.dataset.pipeline)
    device = default_device(device)
    side = settings['scale']
    side = (side, side) if isinstance(side, int) else tuple(side)
    rows: list[Row] = []
    # mmpretrain's own transforms and networks, whatever else is imported.
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        if 'pipeline' in parts:
            announce('two views of each image')
            files = training_files(cfg, images)
            rows += pipeline_rows(files, settings, repeats)
        data = random_batch(batch, side)
        steps = cfg.model, cfg.optim_wrapper, data, repeats, device
        if 'step' in parts:
            announce('a training step')
            rows += step_rows(*steps)
        if 'precision' in parts:
            announce('a training step in other formats')
            rows += precision_rows(*steps)
    setting = dict(
        batch=batch,
        views='x'.join(map(str, side)),
        device=device_name(device),
        clock='CPU time' if device == 'cpu' else 'wall time',
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        torch=torch.__version__,
        mmpretrain=mmpretrain.__version__,
    )
    return rows, setting


def training_files(cfg: Config, number: int) -> list[str]:
    """Image files of the training set, evenly spaced."""
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, 'pipeline': []})
    files = dict.fromkeys(
        dataset.get_data_info(i)['img_path'] for i in range(len(dataset))
    )
    files = list(files)
    number = min(number, len(files))
    return [files[i * len(files) // number] for i in range(number)]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.speed.pretraining',
        description='Measures on this machine: two views of each training '
        "image by TwoViews against mmpretrain's transforms, for images as "
        'they are and enlarged; a training step against those of the MoCo of '
        'mmpretrain and, where it is installed, lightly; the step in other '
        'number formats and memory layouts. Competitors take turns in one '
        'run; on a CPU the CPU time of the process is measured, so that '
        'other work matters little. OMP_NUM_THREADS sets the threads of the '
        'steps; views are made on one core.',
    )
    parser.add_argument(
        'config', help='config of the pretraining (configs/mocov2)'
    )
    parser.add_argument(
        '--images',
        type=int,
        default=64,
        help='training images to make views of (default: 64)',
    )
    parser.add_argument(
        '--batch',
        type=int,
        help="samples of a training step (default: the config's)",
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigAction,
        metavar='KEY=VALUE',
        help='settings of the config to change',
    )
    add_arguments(parser, PARTS)
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()

    cfg = Config.fromfile(find_config(args.config))
    merge_options(cfg, args.cfg_options)
    rows, setting = measure_pretraining(
        cfg,
        parts=args.only,
        images=args.images,
        batch=args.batch,
        repeats=args.repeats,
        device=args.device,
    )
    write_speeds(rows, setting, args.out)


if __name__ == '__main__':
    main()
