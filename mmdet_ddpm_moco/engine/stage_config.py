"""The configs of stages, and what the contrast learns from other stages."""

import copy
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from ..utils.paths import find_config
from .inputs import ann_files, stages_root


def stage_config(cfg: Config, recipe: Mapping) -> Config:
    """A stage's config, its options merged; without one, the detector's.

    Args:
        cfg (Config): The detector's; is not changed.
        recipe (Mapping): Of its ``stages``.

    Raises:
        FileNotFoundError: There is no such config.
    """
    if recipe.get('config'):
        path = find_config(recipe['config'], cfg.filename)
        found = Config.fromfile(path)
    else:
        found = copy.deepcopy(cfg)
    # A copy: merging takes `_delete_` from what it merges.
    found.merge_from_dict(copy.deepcopy(dict(recipe.get('options') or {})))
    return found


def learned_by_backbone(cfg: Config) -> set[str]:
    """Which of the stages' outputs the backbone is trained on.

    Args:
        cfg (Config): The detector's, with its ``stages``.

    Returns:
        set[str]: Among ``bank`` and ``scenes``, those whose annotations are
        named by a source of the backbone's config; ``scenes`` alone, if it
        has ``scenes=True``.

    Raises:
        FileNotFoundError: There is no such config.
    """
    recipe = (cfg.get('stages') or {}).get('backbone') or {}
    if not recipe.get('config'):
        return set()
    if recipe.get('scenes'):
        return {'scenes'}
    loader = stage_config(cfg, recipe).get('train_dataloader')
    folders = {Path(file).parent for file in ann_files(loader)}
    root = stages_root(cfg)
    return {name for name in ('bank', 'scenes') if root / name in folders}
