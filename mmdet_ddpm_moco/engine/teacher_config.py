"""A detector's config, made into that of its teachers."""

import copy

from mmengine.config import Config

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


def _keeps(hook: dict | None) -> bool:
    """Whether teachers have a hook; takes bank and scenes from ours."""
    if not hook or type_name(hook) != HOOK:
        return True
    hook.pop('bank', None)
    hook.pop('scenes', None)
    return bool(hook.get('checkpoint'))
