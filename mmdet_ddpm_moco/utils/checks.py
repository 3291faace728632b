"""Checks of arguments and files, in the place where they enter."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import InputError, MissingFileError


def check_arguments(
    values: Mapping[str, Any], **rules: tuple[bool, str]
) -> None:
    """Raises ``InputError`` for the first argument that is out of range.

    Args:
        values (Mapping[str, Any]): Arguments by name, such as ``locals()``.
        **rules (tuple[bool, str]): By name of the argument, whether its
            value is valid, and the range, to follow "must be".

    Examples:
        >>> prob = 2
        >>> check_arguments(locals(), prob=(0 <= prob <= 1, 'in [0, 1]'))
        InputError: prob must be in [0, 1], got 2
    """
    for name, (valid, requirement) in rules.items():
        if not valid:
            msg = f'{name} must be {requirement}, got {values[name]!r}'
            raise InputError(msg)


def check_annotations(file: str | Path, what: str = '') -> None:
    """Raises ``MissingFileError`` where a file of annotations is missing.

    ``what`` continues the message after its name.
    """
    if not Path(file).is_file():
        msg = (
            f'no annotations at {file}{what}; make them with '
            'tools/prepare_dataset.py'
        )
        raise MissingFileError(msg)


def check_class_order(
    file: str | Path, categories: Sequence[Mapping], classes: Sequence[str]
) -> None:
    """Checks that labels mean what the names of the classes say.

    mmdet numbers the classes in the order of the annotation file, whatever
    that of ``metainfo``. AP does not tell; what goes by name would be wrong.

    Args:
        file (str | Path): Of annotations, for the message.
        categories (Sequence[Mapping]): COCO ``categories`` of it.
        classes (Sequence[str]): Of the data set that reads it.

    Raises:
        ValueError: The categories that are classes have another order.
    """
    found = [c['name'] for c in categories if c.get('name') in classes]
    wanted = [name for name in classes if name in found]
    if found != wanted:
        msg = (
            f'{file} has the categories {", ".join(found)} and metainfo has '
            f'the classes {", ".join(wanted)}: MMDetection numbers them in '
            'the order of the file, so set metainfo=dict(classes=...) to that'
        )
        raise InputError(msg)
