"""Checks that a detector is not tested on images of its pretraining.

The metrics of such a detector are too high without any other sign of it.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from ..utils.dist import long_timeout_group, main_process_first
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
    runner: Runner, records: Mapping[str, Record | None], allow: bool
) -> None:
    """Compares validation and test images with those of the pretraining.

    On the main process; the other ranks wait for it, and end with it.

    Args:
        runner (Runner): Of the detector, about to train.
        records (Mapping[str, dict | None]): Provenance record of each file
            or folder that the detector starts from, by its path; for None a
            warning is logged.
        allow (bool): Log a warning instead of an error.

    Raises:
        ValueError: Images are in a record, and ``allow`` is False.
        SystemExit: Then, on the other ranks.
    """
    main_process_first(
        lambda: _check(runner, records, allow), long_timeout_group()
    )


def check_planned_leakage(
    cfg: Config, stages: Mapping[str, Callable[[], Iterable[Path]]]
) -> None:
    """Checks a detector's stages before they are trained.

    Args:
        cfg (Config): Of the detector.
        stages (Mapping[str, Callable]): By name, what lists the images that
            a stage would be made from.

    Raises:
        ValueError: A stage would be trained on validation or test images.
        SystemExit: Then, on the other ranks.
    """
    if not allows_leakage(cfg):
        main_process_first(
            lambda: _check_planned(cfg, stages), long_timeout_group()
        )


def _check_planned(
    cfg: Config, stages: Mapping[str, Callable[[], Iterable[Path]]]
) -> None:
    if not stages:
        return
    parts = {
        part: [str(path) for path in images_of(cfg.get(f'{part}_dataloader'))]
        for part in PARTS
    }
    images = fingerprints(p for paths in parts.values() for p in paths)
    for name, images_of_stage in stages.items():
        if not images:
            return
        record = record_images(images_of_stage())
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
    log = runner.logger
    for path, record in records.items():
        if record is None:
            log.warning(
                f'{path} has no record of the images it was made from, so '
                'validation or test images may be among them; made again by '
                'this version it has one'
            )
    known = {p: r for p, r in records.items() if r is not None}
    if not known:
        return
    parts = {part: _images(runner, part) for part in PARTS}
    paths = {path for found in parts.values() for path in found}
    images, total = fingerprints(paths), len(paths)
    if len(images) < total:
        log.warning(
            f'{total - len(images)} of {total} validation and test images '
            'are no local files, and were not compared with those of '
            'pretraining'
        )
    leaks = [
        _describe(path, copies, len(images), parts)
        for path, record in known.items()
        if (copies := find_copies(images, record))
    ]
    if not leaks:
        log.info(
            f'none of {len(images)} validation and test images is among '
            f'those that {", ".join(known)} was made from'
        )
        return
    found = ' and '.join(leaks)
    if not allow:
        msg = f'{found}; {_CURE}'
        raise InputError(msg)
    log.warning(f'allow_leakage=True: {found}; metrics on them are too high')


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
    # Built with the loop, or not needed until then.
    loader: Any = getattr(loop, 'dataloader', None)
    if loader is None:
        loader = getattr(runner, f'_{part}_dataloader')
    dataset: Any = (
        loader.get('dataset')
        if isinstance(loader, dict)
        else getattr(loader, 'dataset', None)
    )
    if isinstance(dataset, dict):
        try:
            dataset = DATASETS.build(dataset)
        except FileNotFoundError as error:
            runner.logger.warning(
                f'the {part} images are not here ({error}), and were not '
                'compared with those of pretraining'
            )
            return []
    return [] if dataset is None else list(image_paths(dataset))
