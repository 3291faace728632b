"""Paths in configs."""

import os
from collections.abc import Callable
from typing import Any

from mmengine.config import Config


def map_strings(cfg: Config, change: Callable[[str], str]) -> Config:
    """A copy of a config with all strings changed."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(walk(item) for item in value)
        return change(value) if isinstance(value, str) else value

    return Config(walk(cfg.to_dict()), filename=cfg.filename)


def moved(cfg: Config, old: str, new: str) -> Config:
    """A copy of a config whose paths in one folder are in another one.

    However they are spelled: ``run/bank`` and ``./run//bank`` are in ``run/``.
    """
    folder = os.path.normpath(old)

    def move(text: str) -> str:
        path = os.path.normpath(text)
        if path != folder and not path.startswith(folder + os.sep):
            return text
        return new + path.removeprefix(folder)

    return map_strings(cfg, move)
