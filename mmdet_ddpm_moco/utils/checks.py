"""Checks of arguments and files, in the place where they enter."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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


def prepare_output(file: str | Path, example: str) -> None:
    """Makes the folder of a file that is written after long work.

    Args:
        file (str | Path): The file.
        example (str): A name for it, for the message.

    Raises:
        ValueError: It is a folder, or its folder cannot be made or written.
    """
    file = Path(file)
    if file.is_dir():
        msg = f'{file} is a folder; name a file in it: {file / example}'
        raise InputError(msg)
    cause = 'it is read-only'
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if os.access(file.parent, os.W_OK | os.X_OK):
            return
    except OSError as error:
        cause = error.strerror or str(error)
    msg = (
        f'{file} cannot be written, because of its folder ({cause}); name a '
        'file in a folder of yours'
    )
    raise InputError(msg)


@contextmanager
def refuse_damaged(ann_file: str | Path) -> Iterator[None]:
    """Raises ``InputError`` where the contents of a COCO json are not such."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = (
            f'{ann_file} is damaged or no COCO json of annotated images '
            f'({error!r}); make it with tools/prepare_dataset.py'
        )
        raise InputError(msg) from error


def check_class_order(
    file: str | Path,
    classes: Sequence[str],
    categories: Sequence[Mapping] | None = None,
) -> None:
    """Checks that labels mean what the names of the classes say.

    mmdet numbers the classes in the order of the annotation file, whatever
    that of ``metainfo``. AP does not tell; what goes by name would be wrong.

    Args:
        file (str | Path): Of annotations. What is no local json is not
            checked.
        classes (Sequence[str]): Of the data set that reads it.
        categories (Sequence[Mapping], optional): COCO ``categories`` of it,
            where it has been read. Defaults to None.

    Raises:
        ValueError: The categories that are classes have another order.
    """
    if categories is None:
        if Path(file).suffix != '.json' or not Path(file).is_file():
            return
        with refuse_damaged(file):
            known = json.loads(Path(file).read_bytes())
            # A list of images alone has none.
            categories = known.get('categories') or ()
    found = [c['name'] for c in categories if c.get('name') in classes]
    wanted = [name for name in classes if name in found]
    if found != wanted:
        msg = (
            f'{file} has the categories {", ".join(found)} and metainfo has '
            f'the classes {", ".join(wanted)}: MMDetection numbers them in '
            'the order of the file, so set metainfo=dict(classes=...) to that'
        )
        raise InputError(msg)
