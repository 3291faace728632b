"""What verdicts depend on, so that they are asked for once."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..utils.image_files import listing_digest
from ..utils.stable_json import stable_json
from .inputs import PARTS, ann_files, own_hooks, stages_root
from .pipelines import config_dicts
from .stage_config import stage_config
from .training import training_fingerprint


def with_stages(cfg: Config, stages: Mapping) -> Config:
    """A copy of a config with some settings of its stages replaced."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    # A copy: merging takes `_delete_` from what it merges.
    cfg.merge_from_dict(copy.deepcopy(dict(stages=stages)) if stages else {})
    return cfg


def admission_state(
    cfg: Config, parts: Sequence[str], options: Mapping[str, Any]
) -> str:
    """A hash of what the verdicts depend on.

    Args:
        cfg (Config): The detector's.
        parts (Sequence[str]): What is judged.
        options (Mapping): ``stages.admission``, with the defaults.
    """
    plain = Config(cfg.to_dict(), filename=cfg.filename)
    for hook in own_hooks(plain):
        for part in PARTS:  # which may not be made yet
            hook.pop(part, None)
    # They may name other lists.
    judged = stage_config(plain, dict(options=options['options']))
    return _digest(
        training_fingerprint(plain),
        cfg.stages.to_dict(),
        _listings([judged], stages_root(cfg)),
        stages_digest(cfg, options['stages']),
        list(parts),
        dict(options),
    )


def stages_digest(cfg: Config, changed: Mapping[str, Any]) -> str:
    """A hash of what the stages of the folds are made from.

    Args:
        cfg (Config): The detector's.
        changed (Mapping): Settings of its stages that the folds replace.
    """
    folds = with_stages(cfg, changed)
    folds.stages.pop('admission', None)
    recipes = [r for r in folds.stages.values() if isinstance(r, dict)]
    # Options may name other lists, of teachers with the detector's config too.
    configs = [
        stage_config(folds, r)
        for r in recipes
        if r.get('config') or r.get('options')
    ]
    read = _listings(configs, stages_root(cfg))
    if unlabeled := (folds.stages.get('teacher') or {}).get('unlabeled'):
        read[unlabeled] = listing_digest(unlabeled)
    return _digest(
        folds.stages.to_dict(),
        [stage_config(folds, r).to_dict() for r in recipes if r.get('config')],
        # As teachers see the images.
        cfg.get('test_dataloader') or cfg.get('val_dataloader'),
        read,
    )


def _listings(configs: Sequence[Config], root: Path) -> dict[str, str]:
    """Hashes of the lists, tables and folders that are trained on.

    Those below the root of the stages are made later, by the stages.
    """
    loaders = [cfg.train_dataloader for cfg in configs]
    names = {*ann_files(loaders)}
    for source in config_dicts(loaders):
        found = (source.get(key) for key in ('table', 'img_folder'))
        names.update(str(name) for name in found if name)
    made = root.resolve()
    return {
        name: listing_digest(name)
        for name in names
        if Path(name).exists() and made not in Path(name).resolve().parents
    }


def _digest(*parts: Any) -> str:
    text = stable_json(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
