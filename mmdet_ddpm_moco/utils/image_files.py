"""Files of images: which there are, their sizes, whether they changed."""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from .errors import InputError, MissingFileError
from .fileio import IMAGE_SUFFIXES


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and those below it, links to folders followed.

    A link that is broken is a file, so that it is not skipped silently. One
    to a folder that it is in itself is skipped: it would repeat all files.
    """
    found = []
    # Real paths of each folder to visit and of those that lead to it.
    lines = {Path(folder): frozenset((Path(folder).resolve(),))}
    for parent, folders, names in os.walk(folder, followlinks=True):
        place = Path(parent)
        found += [place / name for name in names]
        line = lines.pop(place)
        real = {name: (place / name).resolve() for name in folders}
        folders[:] = [name for name in folders if real[name] not in line]
        lines.update((place / name, line | {real[name]}) for name in folders)
    return found


def image_files(folder: Path) -> list[Path]:
    """All images in a folder and those below it, sorted.

    Without hidden ones, and those in hidden folders: desktops and editors
    leave such copies.
    """
    return [
        path
        for path in sorted(files_below(folder))
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(
            part.startswith('.') for part in path.relative_to(folder).parts
        )
        and path.is_file()
    ]


def image_size(path: Path) -> dict[str, int]:
    """Width and height in pixels, as mmdet's loader will find them.

    Cached while the file is unchanged, because all of it is decoded.

    Raises:
        FileNotFoundError: It is missing.
        ValueError: It cannot be read.
    """
    if not path.is_file():
        msg = f'{path} is missing; prepare the data set again'
        raise MissingFileError(msg)
    stat = path.stat()
    size = _decoded_size(str(path), stat.st_mtime_ns, stat.st_size)
    if size is None:
        msg = f'{path} is no image that can be read; remove or replace it'
        raise InputError(msg)
    return dict(zip(('width', 'height'), size))


def decode_image(data: bytes | np.ndarray, flags: int) -> np.ndarray:
    """Pixels of an image file, as ``cv2.imdecode`` with ``flags`` gives them.

    Args:
        data (bytes | np.ndarray): The file, as bytes or uint8 (N,).
        flags (int): Those of ``cv2.imread``.

    Raises:
        ValueError: It is empty, or OpenCV cannot decode it.
    """
    if isinstance(data, bytes):
        data = np.frombuffer(data, np.uint8)
    if not data.size:
        msg = 'the file is empty'
        raise InputError(msg)
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error as error:  # more pixels than OpenCV takes, as a rule
        reason = ' '.join(error.err.split())
        raise InputError(f'cannot be decoded ({reason})') from error
    if pixels is None:
        msg = 'cannot be decoded'
        raise InputError(msg)
    return pixels


@lru_cache(maxsize=2**17)
def _decoded_size(
    path: str, changed: int, size: int
) -> tuple[int, int] | None:
    data = np.fromfile(path, np.uint8)
    try:
        # It rotates as EXIF says and fails on a file that is cut short: the
        # header alone tells neither.
        pixels = decode_image(data, cv2.IMREAD_COLOR)
    except InputError:
        return None
    return pixels.shape[1], pixels.shape[0]


def listing_digest(listing: str | Path) -> str:
    """A hash of what lists images: a file's bytes, or a folder's images.

    Of a folder the names and sizes of the images count; '' if it is missing.
    """
    path = Path(listing)
    if path.is_dir():
        images = {
            file.relative_to(path).as_posix(): file.stat().st_size
            for file in image_files(path)
        }
        data = json.dumps(images).encode()
    elif path.is_file():
        data = path.read_bytes()
    else:
        return ''
    return hashlib.sha256(data).hexdigest()
