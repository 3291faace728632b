"""What a config reads: annotations, defect banks, checkpoints."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .pipelines import TRANSFORM, config_pipelines, type_name

HOOKS = ('DDPMMoCoHook', 'ContrastiveInitHook')


def inputs_of(cfg: Config) -> tuple[set[str], set[str]]:
    """Banks and checkpoints that a detector config reads.

    Args:
        cfg (Config): The detector's.

    Returns:
        tuple[set[str], set[str]]: Folders of banks, files of checkpoints.
    """
    banks, checkpoints = set(), set()
    hooks = cfg.get('custom_hooks') or ()
    for hook in hooks:
        if type_name(hook) in HOOKS:
            banks.add(hook.get('bank'))
            checkpoints.add(hook.get('checkpoint'))
    # A PipelineSwitchHook holds a pipeline of its own.
    for pipeline in config_pipelines([cfg.get('train_dataloader'), *hooks]):
        banks |= {t.get('bank') for t in pipeline if type_name(t) == TRANSFORM}
    return banks - {None}, checkpoints - {None}


def ann_files(part: Any) -> Iterator[str]:
    """All local annotation files that a config names, with their roots."""
    if isinstance(part, dict):
        name, root = part.get('ann_file'), part.get('data_root') or ''
        if isinstance(name, str) and name and '://' not in root + name:
            yield str(Path(root) / name)
        for value in part.values():
            yield from ann_files(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from ann_files(value)
