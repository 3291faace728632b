"""A detector is not judged by images that its pretraining has seen.

Figures of such a detector are too good, and nothing in them tells.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from ..utils.dist import main_process_first
from ..utils.errors import InputError
from ..utils.provenance import (
    Copy,
    Record,
    find_copies,
    fingerprints,
    record_images,
)
from .inputs import allows_leakage, images_of
from .training_images import image_paths

PARTS = ('val', 'test')
_NAMED = 3
_CURE = (
    'make it without them (tools/prepare_dataset.py keeps near duplicates in '
    'one split), or set allow_leakage=True on the hook'
)


def check_leakage(
    runner: Runner,
    records: Mapping[str, Record | None],
    allow: bool,
) -> None:
    """Stops a run whose validation or test images were trained on before.

    They are compared with the records on the main process; the other ranks
    wait for it, and end with it.

    Args:
        runner (Runner): Of the detector, about to train.
        records (Mapping[str, dict | None]): What each file or folder that
            the detector starts from has seen, by its path; None where it
            carries no record, of which a warning tells.
        allow (bool): Go on with a warning.

    Raises:
        ValueError: Images were seen, and ``allow`` is False.
        SystemExit: Then, on the other ranks.
    """
    main_process_first(lambda: _check(runner, records, allow))


def check_planned_leakage(cfg: Config, stages: Mapping[str, Config]) -> None:
    """The same for stages that are still to be made, which may take days.

    Args:
        cfg (Config): Of the detector.
        stages (Mapping[str, Config]): What is to be trained before it, by
            its name.

    Raises:
        ValueError: A stage would see validation or test images.
        SystemExit: Then, on the other ranks.
    """
    if not allows_leakage(cfg):
        main_process_first(lambda: _check_planned(cfg, stages))


def _check_planned(cfg: Config, stages: Mapping[str, Config]) -> None:
    parts = {
        part: [str(path) for path in images_of(cfg.get(f'{part}_dataloader'))]
        for part in PARTS
    }
    images = fingerprints(p for paths in parts.values() for p in paths)
    for name, stage in stages.items():
        if not images:
            return
        record = record_images(images_of(stage.train_dataloader))
        copies = find_copies(images, record)
        if copies:
            what = f'the {name} that {cfg.filename} asks for'
            msg = (
                f'{_describe(what, copies, len(images), parts, "would be")}; '
                f'{_CURE}'
            )
            raise InputError(msg)


def _check(
    runner: Runner, records: Mapping[str, Record | None], allow: bool
) -> None:
    for path, record in records.items():
        if record is None:
            runner.logger.warning(
                f'{path} carries no record of the images it was made from, '
                'so nobody knows whether validation or test images are '
                'among them; made again by this version it carries one'
            )
    known = {p: r for p, r in records.items() if r is not None}
    if not known:
        return
    parts = {part: _images(runner, part) for part in PARTS}
    images = fingerprints(p for paths in parts.values() for p in paths)
    total = len({p for paths in parts.values() for p in paths})
    if len(images) < total:
        runner.logger.warning(
            f'{total - len(images)} of {total} validation and test images '
            'are no local files; whether pretraining saw them was not '
            'checked'
        )
    leaks = [
        _describe(path, copies, len(images), parts)
        for path, record in known.items()
        if (copies := find_copies(images, record))
    ]
    if not leaks:
        runner.logger.info(
            f'none of {len(images)} validation and test images is among '
            f'those that {", ".join(known)} saw'
        )
        return
    found = ' and '.join(leaks)
    if allow:
        runner.logger.warning(
            f'allow_leakage=True: {found}; figures on them prove nothing'
        )
        return
    msg = f'{found}; {_CURE}'
    raise InputError(msg)


def _describe(
    what: str,
    copies: list[Copy],
    total: int,
    parts: Mapping[str, list[str]],
    verb: str = 'was',
) -> str:
    exact = sum(copy.exact for copy in copies)
    some = ', '.join(
        f'{"/".join(p for p in PARTS if copy.path in parts[p])} image '
        f'{copy.path} is {copy.seen} there'
        for copy in copies[:_NAMED]
    )
    more = ', ...' if len(copies) > _NAMED else ''
    return (
        f'{what} {verb} made from {len(copies)} of the {total} validation and '
        f'test images, {exact} in the same file and {len(copies) - exact} in '
        f'another one of the same picture ({some}{more})'
    )


def _images(runner: Runner, part: str) -> list[str]:
    """Paths of the images that a run validates or tests on."""
    loop = getattr(runner, f'_{part}_loop')
    loader = getattr(runner, f'_{part}_dataloader')
    # Built along with the loop, or not needed by then.
    dataset: Any = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
    if dataset is None:
        dataset = (
            loader.get('dataset')
            if isinstance(loader, dict)
            else (getattr(loader, 'dataset', None))
        )
    if isinstance(dataset, dict):
        try:
            dataset = DATASETS.build(dataset)
        except FileNotFoundError as error:
            runner.logger.warning(
                f'the {part} images are not here ({error}); whether '
                'pretraining saw them was not checked'
            )
            return []
    return [] if dataset is None else list(image_paths(dataset))
