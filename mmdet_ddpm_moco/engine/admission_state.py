"""What verdicts depend on, so that they are asked for once."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..utils.image_files import listing_digest
from .admission_folds import PARTS, stage_config
from .inputs import ann_files, own_hooks, stages_root
from .training import training_fingerprint


def as_begun(cfg: Config) -> Config:
    """The config of a run before it was resumed, perhaps itself.

    ``--resume CHECKPOINT`` puts that in the place of the weights that the
    run began from; those are in its file.
    """
    if not cfg.get('resume'):
        return cfg
    cfg = copy.deepcopy(cfg)
    file = Path(cfg.filename or '')
    before = Config.fromfile(file) if file.is_file() else {}
    cfg.resume, cfg.load_from = False, before.get('load_from')
    return cfg


def with_stages(cfg: Config, stages: Mapping) -> Config:
    """A copy of a config with some settings of its stages replaced."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.merge_from_dict(dict(stages=dict(stages)) if stages else {})
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
    folds = with_stages(plain, options['stages'])
    recipes = [r for r in folds.stages.values() if isinstance(r, dict)]
    configs = [stage_config(folds, r) for r in recipes if r.get('config')]
    # Settings of the detector, of folds or teachers, may name lists as well.
    changed = [
        stage_config(folds, r)
        for r in recipes
        if r.get('options') and not r.get('config')
    ]
    loaders = [c.train_dataloader for c in (*configs, *changed)]
    lists = {*map(Path, ann_files(loaders))}
    if unlabeled := (folds.stages.get('teacher') or {}).get('unlabeled'):
        lists.add(Path(unlabeled))
    made = stages_root(cfg).resolve()  # later, by the stages themselves
    read = {
        str(path): listing_digest(path)
        for path in lists
        if path.exists() and made not in path.resolve().parents
    }
    text = json.dumps(
        [
            training_fingerprint(plain),
            cfg.stages.to_dict(),
            [c.to_dict() for c in configs],
            read,
            list(parts),
            dict(options),
        ],
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]
