"""What a config reads: annotations, images, defect banks, checkpoints."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..datasets.contrastive_sources import read_source
from .pipelines import TRANSFORM, config_pipelines, type_name


def config_dicts(part: Any) -> Iterator[dict]:
    """All dicts of a config, an outer one before those inside it.

    Args:
        part (Any): A part of a ``Config``, or any value in it.

    Yields:
        dict: As it stands in the config: to change it changes the config.
    """
    if isinstance(part, Mapping):
        yield part
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for value in part:
        yield from config_dicts(value)


HOOKS = ('DDPMMoCoHook', 'ContrastiveInitHook')


def inputs_of(cfg: Config) -> tuple[set[str], set[str]]:
    """Banks and checkpoints that a detector config reads.

    Args:
        cfg (Config): The detector's.

    Returns:
        tuple[set[str], set[str]]: Folders of banks, files of checkpoints.
    """
    hooks = _own_hooks(cfg)
    banks = pipeline_banks(cfg) | {hook.get('bank') for hook in hooks}
    checkpoints = {hook.get('checkpoint') for hook in hooks}
    return banks - {None}, checkpoints - {None}


def pipeline_banks(cfg: Config) -> set[str]:
    """Folders of the banks that a detector's own pipelines read."""
    # A PipelineSwitchHook holds a pipeline of its own.
    hooks = cfg.get('custom_hooks') or ()
    return {
        transform['bank']
        for pipeline in config_pipelines([cfg.get('train_dataloader'), *hooks])
        for transform in pipeline
        if type_name(transform) == TRANSFORM and transform.get('bank')
    }


def allows_leakage(cfg: Config) -> bool:
    """Whether a detector may be tested on what its pretraining saw."""
    return any(hook.get('allow_leakage') for hook in _own_hooks(cfg))


def _own_hooks(cfg: Config) -> list[dict]:
    hooks = cfg.get('custom_hooks') or ()
    return [hook for hook in hooks if type_name(hook) in HOOKS]


def ann_files(part: Any) -> Iterator[str]:
    """All local annotation files that a config names, with their roots."""
    for found in config_dicts(part):
        name, root = found.get('ann_file'), found.get('data_root') or ''
        if isinstance(name, str) and name and '://' not in root + name:
            yield str(Path(root) / name)


def images_of(part: Any) -> Iterator[Path]:
    """Files of all images that a config's data loader reads.

    Args:
        part (Any): The data loader, or a part of it.

    Yields:
        Path: An image, by a COCO json or a table, or of a folder.
    """
    for found in config_dicts(part):
        yield from _images_of(found)


def _images_of(source: dict) -> Iterator[Path]:
    if source.get('table'):
        yield from (s.path for s in read_source(source).samples)
    folder = source.get('img_folder')
    if folder:
        yield from (p for p in Path(folder).rglob('*') if p.is_file())
    file = source.get('ann_file')
    if not isinstance(file, str) or not file:
        return
    root = Path(source.get('data_root') or '')
    prefix = source.get('img_prefix')
    if prefix is None:
        prefix = root / (source.get('data_prefix') or {}).get('img', '')
    # A bank is not there yet; it shows the images of its generator alone.
    if (root / file).is_file():
        for image in json.loads((root / file).read_bytes())['images']:
            yield Path(prefix) / image['file_name']
