"""JSON text of settings, for hashes that other processes can compare."""

import json
from types import FunctionType
from typing import Any


def stable_json(settings: Any) -> str:
    """JSON with sorted keys; what has no form in JSON, as text.

    A new-style config has classes and functions in place of their names.
    """
    return json.dumps(settings, sort_keys=True, default=_text)


def _text(value: Any) -> str:
    if isinstance(value, FunctionType):
        # Its own text has its address, another one in each process.
        return f'{value.__module__}.{value.__qualname__}'
    return str(value)
