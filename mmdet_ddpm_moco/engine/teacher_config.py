"""A detector's config, made into that of its teachers."""

import copy

from mmengine.config import Config

from ..utils.errors import InputError
from .inputs import (
    HOOK,
    drop_checkpoint,
    fill_hooks,
    hook_configs,
    stage_outputs,
)
from .pipelines import TRANSFORM, config_pipelines, type_name
from .stage_config import learned_by_backbone


def teacher_config(cfg: Config) -> Config:
    """A detector's config without bank and scenes.

    They were made from the labels of all folds: a teacher that trains with
    them would know the fold it is asked about. Contrastive weights stay,
    unless they are learned from what teachers find.

    Args:
        cfg (Config): Of a detector; is not changed.

    Returns:
        Config: Without ``stages``; a hook without arguments has the
        checkpoint that they make.
    """
    cfg = fill_hooks(copy.deepcopy(cfg))
    if not cfg.get('test_dataloader') and cfg.get('val_dataloader'):
        cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    if 'scenes' in learned_by_backbone(cfg):
        drop_checkpoint(cfg, stage_outputs(cfg)['checkpoint'])
    cfg.custom_hooks = [
        hook for hook in cfg.get('custom_hooks') or () if _keeps(hook)
    ]
    named = cfg.get('default_hooks') or {}
    for name in [name for name, hook in named.items() if not _keeps(hook)]:
        del named[name]
    parts = [cfg.get('train_dataloader'), *hook_configs(cfg)]
    for pipeline in config_pipelines(parts):
        pipeline[:] = [t for t in pipeline if type_name(t) != TRANSFORM]
    cfg.pop('stages', None)
    return cfg


def check_predicts(teacher: Config) -> None:
    """Checks that a teacher's config says how an image is loaded.

    Args:
        teacher (Config): From :func:`teacher_config`.

    Raises:
        ValueError: It does not.
    """
    if not teacher.get('test_dataloader'):
        msg = (
            f'{teacher.filename} has neither test_dataloader nor '
            'val_dataloader, whose pipeline says how teachers load an image; '
            'add one'
        )
        raise InputError(msg)


def _keeps(hook: dict | None) -> bool:
    """Whether teachers have a hook; takes bank and scenes from ours."""
    if not hook or type_name(hook) != HOOK:
        return True
    hook.pop('bank', None)
    hook.pop('scenes', None)
    return bool(hook.get('checkpoint'))
