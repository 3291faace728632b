"""Tells files that a conversion wrote from those of the user.

Names like ``annotations/train.json`` are common: work done by hand may have
the place of what is to be written.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..utils.errors import FileConflictError

# What the description in the `info` of each json ends with.
DESCRIPTION = 'annotations converted to COCO'
_REPORT_KEYS = frozenset(('options', 'counts', 'findings'))


def refuse_foreign_files(dst: Path, keys: Iterable[str]) -> None:
    """Refuses to write where there are files that no conversion has written.

    Args:
        dst (Path): Folder to write to.
        keys (Iterable[str]): Names of the lists that will be written.

    Raises:
        FileExistsError: If a json, a list or the report is not of an earlier
            conversion.
    """
    for key in keys:
        for path in (
            dst / 'annotations' / f'{key}.json',
            dst / 'lists' / f'{key}.txt',
        ):
            if path.is_file() and not is_own(path):
                _refuse(path)
    report = dst / 'report.json'
    if report.is_file() and not _content(report).keys() >= _REPORT_KEYS:
        _refuse(report)


def is_own(path: Path) -> bool:
    """Whether a conversion wrote a json or list.

    A list is what its json is, which is written before and removed after it.
    """
    if path.suffix == '.txt':
        path = path.parents[1] / 'annotations' / f'{path.stem}.json'
    info = _content(path).get('info')
    description = info.get('description') if isinstance(info, dict) else None
    return str(description).endswith(DESCRIPTION)


def _refuse(path: Path) -> None:
    raise FileConflictError(
        f'{path} is not of an earlier conversion and would be replaced; '
        'choose another folder to write to, or move it away'
    )


def _content(path: Path) -> dict[str, Any]:
    """What a json file holds, nothing if that is none of ours."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
