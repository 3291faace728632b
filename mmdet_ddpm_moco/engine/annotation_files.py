"""Which annotation files a dataset was read from, and what was in them.

A backbone carries this record, so that a detector can tell whether the
images it is tested on were among those the backbone has seen.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
