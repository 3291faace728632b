"""Paths in configs."""

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
    """A copy of a config whose paths in one folder are in another one."""

    def move(text: str) -> str:
        inside = text == old or text.startswith(old + '/')
        return new + text.removeprefix(old) if inside else text

    return map_strings(cfg, move)
