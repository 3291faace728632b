"""Checks of arguments and files, in the place where they enter."""

from collections.abc import Mapping
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
