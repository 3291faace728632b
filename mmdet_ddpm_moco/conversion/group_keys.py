"""Reads from the names of images which of them belong together."""

import re
from collections.abc import Sequence

from ..utils.errors import InputError


def group_keys(stems: Sequence[str], pattern: str) -> list[str]:
    r"""What a regular expression captures in each name.

    Args:
        stems (Sequence[str]): Names of the images, without suffix.
        pattern (str): Regular expression with at least one pair of
            parentheses, ``num_(\d+)`` say, that is found in each name.

    Raises:
        ValueError: If it is no such expression, or a name does not fit.
    """
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise InputError(
            f'group-by {pattern!r} is no regular expression: {error}; put a '
            'backslash before each character meant literally'
        ) from error
    if not regex.groups:
        raise InputError(
            f'group-by {pattern!r} captures nothing; put parentheses around '
            r"what says which images belong together, as in 'num_(\d+)'"
        )
    found = [regex.search(stem) for stem in stems]
    wrong = [stem for stem, match in zip(stems, found) if match is None]
    if wrong:
        raise InputError(
            f'group-by {pattern!r} is not found in {wrong[0]} ({len(wrong)} '
            f'such of {len(stems)} images); let it fit all names'
        )
    return [
        '\0'.join(part or '' for part in match.groups())
        for match in found
        if match is not None
    ]
