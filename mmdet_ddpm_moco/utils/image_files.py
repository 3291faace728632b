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

    A link that is broken is a file, so that it is not skipped silently.
    """
    return [
        Path(parent, name)
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    ]


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


@lru_cache(maxsize=2**17)
def _decoded_size(
    path: str, changed: int, size: int
) -> tuple[int, int] | None:
    data = np.fromfile(path, np.uint8)
    try:
        # It rotates as EXIF says and fails on a file that is cut short: the
        # header alone tells neither.
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # more pixels than OpenCV takes
        return None
    return None if pixels is None else (pixels.shape[1], pixels.shape[0])


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
