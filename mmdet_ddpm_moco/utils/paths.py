"""Locations of the shipped configs and tools."""

from pathlib import Path

from .errors import MissingFileError

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(folder: str) -> Path:
    """The shipped ``configs`` or ``tools``.

    Returns:
        Path: ``mmdet_ddpm_moco/.mim/<folder>`` after a normal install, beside
        the package in a checkout.
    """
    installed = _PACKAGE / '.mim' / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def find_config(name: str, beside: str | Path | None = None) -> Path:
    """Finds a config named in another config.

    Args:
        name (str): Path relative to the current folder, to the folder of
            ``beside``, to the shipped ``configs`` or to where they are, so
            that ``configs/demo/ddpm_unet32.py`` is found after an install;
            tried in this order.
        beside (str | Path | None): The config that names it.

    Raises:
        FileNotFoundError: It is in none of these places.
    """
    configs = shipped('configs')
    places = [Path(name), configs / name, configs.parent / name]
    if beside is not None:
        places.insert(1, Path(beside).parent / name)
    for place in places:
        if place.is_file():
            return place
    msg = f'no config {name}; looked for it at {", ".join(map(str, places))}'
    raise MissingFileError(msg)
