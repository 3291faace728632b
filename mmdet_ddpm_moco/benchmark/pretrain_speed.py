"""Measuring contrastive training: which parts, and in which order."""

import os
import platform
import sys
from collections.abc import Sequence

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from .moco_variants import random_batch
from .pipeline_speed import pipeline_rows
from .precision_speed import precision_rows
from .speed_table import PRETRAIN_PARTS, Row
from .step_speed import step_rows
from .view_pipelines import view_settings


def measure_pretrain(
    cfg: Config,
    *,
    parts: Sequence[str] = PRETRAIN_PARTS,
    images: int = 64,
    batch: int | None = None,
    repeats: int = 5,
    device: str | None = None,
) -> tuple[list[Row], dict]:
    """Measures the speed of contrastive training as a config has it.

    Args:
        cfg (Config): Of a ``DatasetMoCo`` and its training.
        parts (Sequence[str]): Of ``PRETRAIN_PARTS``. Defaults to all.
        images (int): Training images that views are made of, at least 1.
            Defaults to 64.
        batch (int | None): Samples of a step, at least 1. Defaults to the
            config's.
        repeats (int): Timed runs that a median is taken of, at least 1.
            Defaults to 5.
        device (str | None): Defaults to CUDA where there is a GPU.

    Returns:
        tuple[list[Row], dict]: What was measured, and on what.

    Raises:
        FileNotFoundError: The training images are missing.
        ValueError: A number is below 1, or the config has no
            ``DatasetMoCo``, other views, or a queue that mmpretrain's MoCo
            can not fill with such batches.
    """
    batch = cfg.train_dataloader.batch_size if batch is None else batch
    for name, number in dict(
        images=images, batch=batch, repeats=repeats
    ).items():
        if number < 1:
            msg = f'{name} must be at least 1, got {number}'
            raise ValueError(msg)
    kind = cfg.get('model', {}).get('type', None)
    if str(kind).split('.')[-1] != 'DatasetMoCo':
        msg = f'needs the config of a DatasetMoCo, its model is {kind}'
        raise ValueError(msg)
    queue = cfg.model.get('queue_len', 8192)
    if 'step' in parts and queue % batch:
        msg = (
            f"mmpretrain's MoCo needs batches that divide queue_len={queue}, "
            f'got {batch}: choose another --batch'
        )
        raise ValueError(msg)
    settings = view_settings(cfg.train_dataloader.dataset.pipeline)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    side = settings['scale']
    side = (side, side) if isinstance(side, int) else tuple(side)
    rows: list[Row] = []
    # mmpretrain's own transforms and networks, whatever else is imported.
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        if 'pipeline' in parts:
            _say('two views of each image')
            files = training_files(cfg, images)
            rows += pipeline_rows(files, settings, repeats)
        data = random_batch(batch, side)
        steps = cfg.model, cfg.optim_wrapper, data, repeats, device
        if 'step' in parts:
            _say('a training step')
            rows += step_rows(*steps)
        if 'precision' in parts:
            _say('a training step in other formats')
            rows += precision_rows(*steps)
    setting = dict(
        batch=batch,
        views='x'.join(map(str, side)),
        device=_device_name(device),
        clock='CPU time' if _on_cpu(device) else 'wall time',
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        torch=torch.__version__,
        mmpretrain=mmpretrain.__version__,
    )
    return rows, setting


def training_files(cfg: Config, number: int) -> list[str]:
    """Some image files of the training set, evenly picked."""
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, 'pipeline': []})
    files = dict.fromkeys(
        dataset.get_data_info(i)['img_path'] for i in range(len(dataset))
    )
    files = list(files)
    number = min(number, len(files))
    return [files[i * len(files) // number] for i in range(number)]


def _say(part: str) -> None:
    print(f'measuring: {part}', file=sys.stderr, flush=True)


def _on_cpu(device: str) -> bool:
    return torch.device(device).type == 'cpu'


def _device_name(device: str) -> str:
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{device} ({platform.machine()})'
