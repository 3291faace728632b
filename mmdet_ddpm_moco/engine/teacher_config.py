"""A detector's config, made into that of its teachers."""

import copy

from mmengine.config import Config

from .inputs import HOOK, fill_hooks
from .pipelines import TRANSFORM, config_pipelines, type_name


def teacher_config(cfg: Config) -> Config:
    """A detector's config without bank and scenes.

    They were made from the labels of all folds: a teacher that trains with
    them would know the fold it is asked about. Contrastive weights stay.

    Args:
        cfg (Config): Of a detector; is not changed.

    Returns:
        Config: Without ``stages``; a hook without arguments has the
        checkpoint that they make.
    """
    cfg = fill_hooks(copy.deepcopy(cfg))
    hooks = []
    for hook in cfg.get('custom_hooks') or ():
        if type_name(hook) == HOOK:
            hook.pop('bank', None)
            hook.pop('scenes', None)
            if not hook.get('checkpoint'):
                continue
        hooks.append(hook)
    cfg.custom_hooks = hooks
    for pipeline in config_pipelines([cfg.get('train_dataloader'), *hooks]):
        pipeline[:] = [t for t in pipeline if type_name(t) != TRANSFORM]
    cfg.pop('stages', None)
    return cfg
