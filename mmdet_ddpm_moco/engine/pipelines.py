"""Finds the parts of a config, its pipelines, and inserts a transform.

Works on configs (dicts) and on built datasets, in any nesting of MMEngine's
and mmdet's dataset wrappers.
"""

from collections.abc import Iterator
from typing import Any

from mmcv.transforms import LoadAnnotations
from mmengine.config import Config

from ..teacher.settings import FLIPS

TRANSFORM = 'DiffusionDefectAugment'
KEYS = ('pipeline', 'switch_pipeline')


def type_name(transform: dict) -> str:
    """Name of a part's class, without its scope."""
    kind = transform.get('type', '')
    name = kind if isinstance(kind, str) else kind.__name__
    return name.rsplit('.', 1)[-1]


def insert_config(pipeline: list[dict], transform: dict) -> bool:
    """Inserts a transform after ``LoadAnnotations`` in a pipeline's config.

    Returns:
        bool: False, and nothing changed, where the pipeline loads no
        annotations or has a ``DiffusionDefectAugment`` already.
    """
    names = [type_name(t) for t in pipeline]
    if 'LoadAnnotations' not in names or TRANSFORM in names:
        return False
    last = len(names) - 1 - names[::-1].index('LoadAnnotations')
    pipeline.insert(last + 1, transform)
    return True


def config_dicts(part: Any) -> Iterator[dict]:
    """All dicts in a part of a config, outer ones first; not copies."""
    if isinstance(part, dict):
        yield part
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for value in part:
        yield from config_dicts(value)


def config_pipelines(part: Any) -> Iterator[list[dict]]:
    """All pipelines in a part of a config."""
    for found in config_dicts(part):
        for key in KEYS:
            if isinstance(found.get(key), list):
                yield found[key]


def trained_views(cfg: Config) -> tuple[str, ...]:
    """Views of an image that a detector's training shows it.

    Returns:
        tuple[str, ...]: Of ``FLIPS``: ``'none'``, and the directions that a
        ``RandomFlip`` of its training pipelines does flip in.
    """
    found = {'none'}
    for part in config_dicts(cfg.get('train_dataloader')):
        if type_name(part) == 'RandomFlip':
            given = part.get('direction', 'horizontal')
            flips = [given] if isinstance(given, str) else given
            prob = part.get('prob')
            probs = prob if isinstance(prob, list) else [prob] * len(flips)
            # A config switches a flip off with prob=0.0.
            found |= {f for f, p in zip(flips, probs, strict=True) if p}
    return tuple(flip for flip in FLIPS if flip in found)


def innermost_datasets(dataset: Any) -> Iterator[Any]:
    """The built datasets inside all wrappers."""
    if hasattr(dataset, 'datasets'):
        for inner in dataset.datasets:
            yield from innermost_datasets(inner)
    elif hasattr(dataset, 'dataset'):
        yield from innermost_datasets(dataset.dataset)
    else:
        yield dataset


def loads_annotations(dataset: Any) -> int | None:
    """Index of the last ``LoadAnnotations`` of a built dataset's pipeline."""
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    found = [
        i for i, t in enumerate(transforms) if isinstance(t, LoadAnnotations)
    ]
    return found[-1] if found else None


def loading_datasets(dataset: Any) -> list[Any]:
    """The built datasets inside all wrappers that load annotations."""
    inside = innermost_datasets(dataset)
    return [d for d in inside if loads_annotations(d) is not None]
