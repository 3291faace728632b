"""Applies command line options to a config and checks its data."""

import argparse
from pathlib import Path

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log

from ..utils.config_options import merge_options
from ..utils.dist import init_ranks
from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import read_json
from .inputs import fill_hooks
from .pipelines import config_dicts
from .training import last_checkpoint


def apply_options(cfg: Config, args: argparse.Namespace) -> Config:
    """Applies the options of tools/train.py or tools/test.py to a config.

    Also initializes the ranks of a launcher and fills the hooks.

    Returns:
        Config: The same, changed.

    Raises:
        ValueError: An option does not fit the config.
    """
    cfg.launcher = args.launcher
    merge_options(cfg, args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if getattr(args, 'amp', False):
        if torch.cuda.is_available():
            cfg.optim_wrapper.type = 'AmpOptimWrapper'
            cfg.optim_wrapper.loss_scale = 'dynamic'
        elif cfg.get('default_scope') == 'mmdet':
            msg = (
                "--amp needs a GPU for a detector: mmcv's operators have no "
                'bfloat16 on a CPU; leave it out'
            )
            raise InputError(msg)
        else:
            cfg.optim_wrapper.type = 'mmdet_ddpm_moco.Bf16OptimWrapper'
            for key in ('loss_scale', 'dtype', 'use_fsdp'):
                cfg.optim_wrapper.pop(key, None)
    if getattr(args, 'auto_scale_lr', False):
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            msg = (
                f'--auto-scale-lr needs auto_scale_lr.base_batch_size in '
                f'{args.config}'
            )
            raise InputError(msg)
        cfg.auto_scale_lr.enable = True
    resume = getattr(args, 'resume', None)
    if resume == 'auto':
        # With nothing to resume, mmdet's tool would forget load_from too.
        cfg.resume = last_checkpoint(cfg.work_dir) is not None
        if not cfg.resume:
            start = cfg.get('load_from')
            start = f', starting from {start}' if start else ''
            print_log(f'nothing to resume in {cfg.work_dir}{start}')
    elif resume is not None:
        cfg.resume, cfg.load_from = True, resume
    # The stages before the detector are distributed, too.
    init_ranks(
        args.launcher, **((cfg.get('env_cfg') or {}).get('dist_cfg') or {})
    )
    return fill_hooks(cfg)


def check_data(
    cfg: Config,
    *,
    make: bool,
    parts: tuple[str, ...] = ('train', 'val', 'test'),
) -> None:
    """Checks that a detector has annotations, before anything runs.

    Args:
        cfg (Config): Of a detector; others have nothing to check here.
        make (bool): Make data sets that have a generator, as the demo's.
        parts (tuple[str, ...]): The data loaders to check.

    Raises:
        FileNotFoundError: Names the file and the command that makes it.
        ValueError: A COCO json lists no images, or is no json.
    """
    loaders = [cfg.get(f'{part}_dataloader') for part in parts]
    for dataset in config_dicts(loaders):
        name = dataset.get('ann_file')
        root = dataset.get('data_root') or ''
        if 'type' not in dataset or not name or '://' in f'{root}{name}':
            continue
        file = Path(root) / name
        kind = dataset['type']  # new-style configs have classes here
        if isinstance(kind, str):
            kind = DATASETS.get(kind)
        if make and hasattr(kind, 'make'):
            if is_main_process() and not file.is_file():
                print_log(f'making the data set in {dataset["data_root"]}')
                kind.make(dataset['data_root'])
            # Also for a late rank, which finds it made.
            barrier()
        if file.is_file():
            _check_images(file, cfg.filename)
            continue
        command = getattr(kind, 'PREPARE_COMMAND', '') or (
            'python tools/prepare_dataset.py'
        )
        msg = (
            f'no annotations at {file.resolve()}, which {cfg.filename} '
            f'needs; make them with `{command}`'
        )
        raise MissingFileError(msg)


def _check_images(file: Path, config: str) -> None:
    """Of none MMDetection would fail in numpy, and after all stages."""
    try:
        content = read_json(file) if file.suffix == '.json' else {}
    except ValueError as error:
        msg = f'{file}, which {config} reads, is damaged: {error}'
        raise InputError(msg) from error
    if isinstance(content, dict) and content.get('images') == []:
        msg = (
            f'{file} lists no images, and {config} reads it: draw splits '
            'that have some (tools/prepare_dataset.py --resplit, --ratio), or '
            'give another list'
        )
        raise InputError(msg)
