"""Which annotation files a dataset was read from, and what was in them.

A backbone carries this record, so that a detector can tell whether the
images it is tested on were among those the backbone has seen.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from ..datasets.defect_window_dataset import DefectWindowDataset
from ..utils.provenance import (
    Record,
    merge_records,
    read_record,
    record_images,
)
from .pipelines import innermost_datasets

# A few wrappers around one dataset are usual; a cycle would not end.
_MAX_DEPTH = 8


def annotation_hashes(dataset: Any) -> dict[str, str | None]:
    """Hashes the annotation files of a dataset.

    Looks at ``ann_file`` and ``sources`` (dicts or objects with an
    ``ann_file`` and perhaps a ``data_root``) of the dataset and of those it
    wraps as ``dataset`` or ``datasets``.

    Args:
        dataset (Any): Any dataset; one without annotation files is fine.

    Returns:
        dict[str, str | None]: SHA-256 in hex by file as the dataset names
        it; None where it is not a local file.
    """
    return {name: _sha256(name, root) for name, root in _ann_files(dataset, 0)}


def annotation_paths(dataset: Any) -> Iterator[Path]:
    """The annotation files of a dataset that are local files.

    Args:
        dataset (Any): As for :func:`annotation_hashes`.

    Yields:
        Path: Where the file is.
    """
    for name, root in _ann_files(dataset, 0):
        path = _local(name, root)
        if path is not None:
            yield path


def _ann_files(holder: Any, depth: int) -> Iterator[tuple[str, str]]:
    name = _get(holder, 'ann_file')
    if isinstance(name, (str, Path)) and str(name):
        yield str(name), str(_get(holder, 'data_root') or '')
    if depth == _MAX_DEPTH:
        return
    inner = [_get(holder, 'dataset')]
    for several in ('sources', 'datasets'):
        found = _get(holder, several)
        inner += found if isinstance(found, (list, tuple)) else []
    for item in inner:
        if item is not None:
            yield from _ann_files(item, depth + 1)


def _get(holder: Any, name: str) -> Any:
    if isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)


def _sha256(name: str, root: str) -> str | None:
    path = _local(name, root)
    return path and hashlib.sha256(path.read_bytes()).hexdigest()


def _local(name: str, root: str) -> Path | None:
    for path in (Path(name), Path(root) / name):
        if path.is_file():
            return path
    return None


def image_paths(dataset: Any) -> Iterator[str]:
    """Files of the images that a built dataset shows.

    Args:
        dataset (Any): A dataset, also in MMEngine's and mmdet's wrappers.

    Yields:
        str: Path of an image as the dataset names it, perhaps repeatedly;
        nothing of a dataset of another kind than MMEngine's.
    """
    for inner in innermost_datasets(dataset):
        if isinstance(inner, DefectWindowDataset):
            yield from (str(image.path) for image in inner.data.images)
        elif isinstance(inner, BaseDataset):
            inner.full_init()
            for index in range(len(inner)):
                path = inner.get_data_info(index).get('img_path')
                if path:
                    yield str(path)


def images_trained_on(dataset: Any) -> Record | None:
    """The record of the images that a training sees.

    The windows of a defect bank are parts of other images, so the images
    that the bank was made from stand in their place.

    Args:
        dataset (Any): The built training dataset.

    Returns:
        dict | None: None where the dataset does not tell its files.
    """
    folders = {path.parent for path in annotation_paths(dataset)}
    banks = {folder: read_record(folder) for folder in sorted(folders)}
    banks = {f.resolve(): r for f, r in banks.items() if r is not None}
    paths = list(dict.fromkeys(image_paths(dataset)))
    own = [
        path
        for path in paths
        if not banks.keys() & set(Path(path).resolve().parents)
    ]
    return merge_records(record_images(own) if own else None, *banks.values())
