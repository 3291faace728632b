"""Walking through a config."""

from collections.abc import Iterator, Mapping
from typing import Any


def config_dicts(part: Any) -> Iterator[dict]:
    """All dicts of a config, an outer one before those inside it.

    Args:
        part (Any): A part of a ``Config``, or any value in it.

    Yields:
        dict: As it stands in the config: to change it changes the config.
    """
    if isinstance(part, Mapping):
        yield part
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for value in part:
        yield from config_dicts(value)
