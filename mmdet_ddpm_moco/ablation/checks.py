"""Checks that a comparison is fair, before anything is trained."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.inputs import ann_files, images_of
from ..engine.pipelines import TRANSFORM, type_name
from ..engine.teacher_stage import teacher_images
from ..utils.errors import InputError
from ..utils.provenance import find_copies, fingerprints, record_images
from .experiment import Variant
from .run_configs import RunConfigs, file_digest

# What a variant may add to the pipeline of the reference.
AUGMENTATIONS = (TRANSFORM, 'CopyPaste', 'ProceduralDefectAugment')

_SAME = (
    'model',
    'data_preprocessor',
    'load_from',
    'optim_wrapper',
    'auto_scale_lr',
    'test_dataloader',
    'randomness',
)
_SAME_SCHEDULE = ('train_cfg', 'param_scheduler')
# Of any two ways of training.
_SAME_TEST = ('optim_wrapper', 'test_dataloader', 'randomness')


def check_same_training(
    variant: Variant, cfg: Config, reference: Config
) -> None:
    """Checks that a variant differs from the reference in its subject only.

    Detector, initial weights, optimizer, schedule, batches and the base
    augmentation must be those of the reference. A variant may add
    :data:`AUGMENTATIONS` and hooks; its schedule, its labels or its whole
    method may differ where it declares that. ``reference`` is the
    reference's detector with the same shots and seed.

    Raises:
        ValueError: Names the first difference.
    """
    keys: tuple[str, ...]
    if variant.own_method:
        keys = _SAME_TEST
    elif variant.own_schedule:
        keys = _SAME
    else:
        keys = (*_SAME, *_SAME_SCHEDULE)

    def compared(c: Config) -> dict:
        data = c.train_dataloader
        return {
            **{key: c.get(key) for key in keys},
            'train_dataloader': dict(batch_size=data.batch_size)
            if variant.own_method
            else _training_data(c, variant),
        }

    first, second = compared(cfg), compared(reference)
    for key in first:
        where = _difference(first[key], second[key], key)
        if where:
            msg = (
                f'variant {variant.name} is no fair comparison: its {where} '
                "differs from the reference's"
            )
            raise InputError(msg)


def _training_data(cfg: Config, variant: Variant) -> dict:
    """The training data loader without what a variant may change."""
    loader = cfg.train_dataloader.to_dict()
    dataset = loader['dataset']
    pipeline: list[dict] = []
    loader['wrappers'] = []
    # What has no part in the images that are drawn, or may differ.
    apart = {'dataset', 'pipeline', *(['times'] * variant.own_schedule)}
    while 'dataset' in dataset:  # of a wrapper, which transforms last
        pipeline = [*dataset.get('pipeline', []), *pipeline]
        # An augmentation such as CopyPaste needs this one.
        if type_name(dataset) != 'MultiImageMixDataset':
            loader['wrappers'].append(
                {k: v for k, v in dataset.items() if k not in apart}
            )
        dataset = dataset['dataset']
    pipeline = [*dataset.pop('pipeline', []), *pipeline]
    loader['pipeline'] = [
        t for t in pipeline if type_name(t) not in AUGMENTATIONS
    ]
    if variant.own_labels:
        dataset.pop('ann_file', None)
    loader['dataset'] = dataset
    return loader


def _difference(a: Any, b: Any, where: str) -> str | None:
    """Where two configs first differ; None if nowhere."""
    pairs: list[tuple[Any, Any, Any]] = []
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted({*a, *b}, key=str)
        pairs = [(key, a.get(key), b.get(key)) for key in keys]
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return where
        pairs = [(index, *pair) for index, pair in enumerate(zip(a, b))]
    elif a != b:
        return f'{where} ({a!r}, not {b!r})'
    found = (_difference(x, y, f'{where}.{key}') for key, x, y in pairs)
    return next((place for place in found if place), None)


def check_labels(name: str, configs: RunConfigs, shots: Path) -> None:
    """Checks that the stages read the labels of the shots only.

    Labels of a source with ``dataset_ids='image'`` are not read, and files
    in the stages' folder were made from the shots, whose annotations are
    ``shots``.

    Raises:
        ValueError: Names other labels and the stage that reads them.
    """
    root = Path(configs.detector.get('stages', {}).get('root', ''))
    for stage, cfg in configs.stages.items():
        for file in map(Path, _labels(cfg.train_dataloader.to_dict())):
            if file != shots and root not in file.parents:
                msg = (
                    f'the {stage} of variant {name} reads the labels of '
                    f'{file}, and not only those of the shots, {shots}; only '
                    'a variant with own_labels=True may'
                )
                raise InputError(msg)


def _labels(part: Any) -> Iterator[str]:
    """Files and folders that labels are read from."""
    if isinstance(part, (list, tuple)):
        for value in part:
            yield from _labels(value)
    elif isinstance(part, dict) and part.get('dataset_ids') != 'image':
        yield from ann_files(
            {k: part.get(k) for k in ('ann_file', 'data_root')}
        )
        # Names of folders and columns of a table are labels too.
        if part.get('dataset_ids') in ('folder', 'column'):
            yield part.get('table') or part['img_folder']
        for value in part.values():
            yield from _labels(value)


def check_no_leak(name: str, configs: RunConfigs, test_set: Path) -> None:
    """Checks that no stage sees a test image, with or without its labels.

    Images are compared by content; those of one name also as pictures, as
    one may be the other, recompressed.

    Raises:
        ValueError: Names an image and the config that reads it.
    """
    tested = _TestImages(images_of(configs.detector.test_dataloader.to_dict()))
    for cfg in (configs.detector, *configs.stages.values()):
        for path in images_of(cfg.train_dataloader.to_dict()):
            if path in tested:
                msg = (
                    f'variant {name} leaks: {cfg.filename} trains on {path}, '
                    f'which is one of the images of {test_set}'
                )
                raise InputError(msg)
    for path in _labeled_by_teachers(configs):
        if path in tested:
            msg = (
                f'variant {name} leaks: its teachers label {path}, which is '
                f'one of the images of {test_set}'
            )
            raise InputError(msg)


def _labeled_by_teachers(configs: RunConfigs) -> Iterator[Path]:
    teacher = configs.stages.get('teacher')
    if teacher is not None:
        recipe = configs.detector.stages.teacher
        yield from teacher_images(recipe, teacher)[1].paths()


class _TestImages:
    """Tells whether an image is one of the test images."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._contents: set[bytes] = set()
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            self._by_name[path.name].append(path)
            content = _content(path)
            if content is not None:
                self._contents.add(content)

    def __contains__(self, path: Path) -> bool:
        # Cameras number the images of each folder from 0: a name alone says
        # nothing.
        named = self._by_name.get(path.name, [])
        return (
            path in named
            or _content(path) in self._contents
            or bool(named and _is_copy(path, named))
        )


def _is_copy(path: Path, others: Sequence[Path]) -> bool:
    return bool(find_copies(fingerprints([path]), record_images(others)))


def _content(path: Path) -> bytes | None:
    return file_digest(path) if path.is_file() else None
