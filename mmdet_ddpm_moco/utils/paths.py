"""Where the shipped configs and tools are."""

from pathlib import Path

from .errors import MissingFileError

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(folder: str) -> Path:
    """The shipped ``configs`` or ``tools``.

    Args:
        folder (str): ``'configs'`` or ``'tools'``.

    Returns:
        Path: ``mmdet_ddpm_moco/.mim/<folder>`` after a plain install, beside
        the package in a checkout.
    """
    installed = _PACKAGE / '.mim' / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def find_config(name: str, beside: str | Path | None = None) -> Path:
    """Finds a config named in another config.

    Args:
        name (str): Path from the current folder, from the folder of the
            config that names it, or from the shipped ``configs``; tried in
            this order.
        beside (str | Path | None): The config that names it.

    Returns:
        Path: The file.

    Raises:
        FileNotFoundError: It is in none of these places.
    """
    places = [Path(name), shipped('configs') / name]
    if beside is not None:
        places.insert(1, Path(beside).parent / name)
    for place in places:
        if place.is_file():
            return place
    msg = f'no config {name}; looked for it at {", ".join(map(str, places))}'
    raise MissingFileError(msg)
