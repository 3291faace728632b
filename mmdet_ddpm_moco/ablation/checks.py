"""What makes a comparison unfair, found before anything is trained."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.inputs import ann_files, images_of
from ..engine.pipelines import TRANSFORM, type_name
from ..utils.errors import InputError
from .run_configs import RunConfigs

# What a variant may add to the pipeline of the reference.
AUGMENTATIONS = (TRANSFORM, 'CopyPaste', 'ProceduralDefectAugment')

_SAME = ('model', 'optim_wrapper', 'test_dataloader', 'randomness')
_SAME_SCHEDULE = ('train_cfg', 'param_scheduler')


def check_same_training(
    name: str,
    variant: Config,
    reference: Config,
    own_schedule: bool = False,
    own_labels: bool = False,
) -> None:
    """Checks that a variant differs in nothing but what it stands for.

    Detector, starting weights, optimizer, schedule, batches and the base
    augmentation must be those of the reference. A variant may add defects
    (``DiffusionDefectAugment``, ``CopyPaste``) and hooks.

    Args:
        name (str): Of the variant.
        variant (Config): Its detector.
        reference (Config): That of the reference, of the same run.
        own_schedule (bool): Whether length may differ. Defaults to False.
        own_labels (bool): Whether labels may differ. Defaults to False.

    Raises:
        ValueError: Names the first difference.
    """
    for key in (*_SAME, *(() if own_schedule else _SAME_SCHEDULE)):
        where = _difference(variant.get(key), reference.get(key), key)
        if where:
            msg = (
                f'variant {name} is no fair comparison: its {where} differs from '
                "the reference's"
            )
            raise InputError(msg)
    first, second = (_training_data(cfg) for cfg in (variant, reference))
    if own_labels:
        first['dataset'].pop('ann_file', None)
        second['dataset'].pop('ann_file', None)
    where = _difference(first, second, 'train_dataloader')
    if where:
        msg = (
            f'variant {name} is no fair comparison: its {where} differs from the '
            "reference's"
        )
        raise InputError(msg)


def _training_data(cfg: Config) -> dict:
    """The training data loader without the variant's own transforms."""
    loader = cfg.train_dataloader.to_dict()
    dataset, pipeline = loader['dataset'], []
    while 'dataset' in dataset:  # of a wrapper, which transforms last
        pipeline = [*dataset.get('pipeline', []), *pipeline]
        dataset = dataset['dataset']
    pipeline = [*dataset.pop('pipeline', []), *pipeline]
    loader['pipeline'] = [
        t for t in pipeline if type_name(t) not in AUGMENTATIONS
    ]
    loader['dataset'] = dataset
    return loader


def _difference(a: Any, b: Any, where: str) -> str | None:
    """Where two configs first differ; None if nowhere."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}, key=str):
            found = _difference(a.get(key), b.get(key), f'{where}.{key}')
            if found:
                return found
        return None
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return where
        for index, (x, y) in enumerate(zip(a, b)):
            found = _difference(x, y, f'{where}.{index}')
            if found:
                return found
        return None
    return None if a == b else f'{where} ({a!r}, not {b!r})'


def check_labels(name: str, configs: RunConfigs, shots: Path) -> None:
    """Checks that generator and contrast read no labels but the shots'.

    Images that stand alone (``dataset_ids='alone'``) are read without their
    labels, and what lies in the stages' folder was made from the shots.

    Args:
        name (str): Of the variant.
        configs (RunConfigs): Its configs.
        shots (Path): COCO annotations of the shots.

    Raises:
        ValueError: Names other labels and what reads them.
    """
    root = Path(configs.detector.get('stages', {}).get('root', ''))
    for stage, cfg in configs.stages.items():
        for file in map(Path, _labels(cfg.train_dataloader.to_dict())):
            if file != shots and root not in file.parents:
                msg = (
                    f'the {stage} of variant {name} reads the labels of {file}, '
                    f'and not only those of the shots, {shots}; only a variant '
                    'with own_labels=True may'
                )
                raise InputError(msg)


def _labels(part: Any) -> Iterator[str]:
    """Annotation files that are read for their labels."""
    if isinstance(part, (list, tuple)):
        for value in part:
            yield from _labels(value)
    elif isinstance(part, dict) and part.get('dataset_ids') != 'alone':
        own = {k: part.get(k) for k in ('ann_file', 'data_root')}
        yield from ann_files(own)
        # Names of folders and columns of a table are labels too.
        if part.get('dataset_ids') in ('folder', 'column'):
            yield part.get('table') or part['img_folder']
        for value in part.values():
            yield from _labels(value)


def check_no_leak(name: str, configs: RunConfigs, score_file: Path) -> None:
    """Checks that no stage sees an image that detectors are scored on.

    Images are compared by name and by content, labels or no labels.

    Args:
        name (str): Of the variant.
        configs (RunConfigs): Its configs.
        score_file (Path): COCO annotations of the test images.

    Raises:
        ValueError: Names an image and what reads it.
    """
    scored = list(images_of(configs.detector.test_dataloader.to_dict()))
    names = {path.name for path in scored}
    contents = {_content(path) for path in scored} - {None}
    for cfg in configs.all():
        for path in images_of(cfg.train_dataloader.to_dict()):
            if path.name in names or _content(path) in contents:
                msg = (
                    f'variant {name} leaks: {cfg.filename} trains on {path}, '
                    f'which is one of the images of {score_file}'
                )
                raise InputError(msg)


def _content(path: Path) -> str | None:
    if not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
