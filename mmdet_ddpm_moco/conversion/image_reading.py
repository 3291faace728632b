"""Reads images as mmdet's loader will, and reports what is odd about them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ..utils.cli import progress_bar
from ..utils.errors import InputError
from ..utils.image_files import decode_image
from .formats.files import error_reason
from .layout import SourceFile
from .overlap import thumbnail
from .report import Report
from .thumbnails import ThumbnailFile

# What a complete file has at its end, and what must not follow it. Neither is
# found in the compressed data: of JPEG the end of the image and the start of
# its last scan, of PNG the chunk of the end.
_ENDS = (
    ('JPEG', b'\xff\xd8\xff', b'\xff\xd9', b'\xff\xda'),
    ('PNG', b'\x89PNG', b'IEND', b'IHDR'),
)


def read_images(
    images: Sequence[SourceFile], thumbnails: ThumbnailFile, report: Report
) -> dict[SourceFile, tuple[tuple[int, int], int]]:
    """(width, height) of every image that can be decoded.

    ``thumbnails`` receives its thumbnail; also returned is the place there.
    """
    decoded = {}
    for image in progress_bar(images, 'reading images'):
        try:
            gray = _decode(image, report)
        except (OSError, ValueError) as error:
            report.add('unreadable_image', image.label, error_reason(error))
        else:
            height, width = gray.shape
            small = thumbnail(gray)
            decoded[image] = (width, height), thumbnails.append(small)
    return decoded


def size_before_rotation(path: Path) -> tuple[int, int]:
    """Width and height of an image as it is stored, whatever EXIF says."""
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    gray = decode_image(np.fromfile(path, np.uint8), flags)
    return gray.shape[1], gray.shape[0]


def _decode(image: SourceFile, report: Report) -> np.ndarray:
    """Gray pixels, uint8 (H, W)."""
    data = np.fromfile(image.path, np.uint8)
    _check_end(data.tobytes())
    # Rotated as EXIF says, as mmdet's loader does, so that sizes agree.
    whole = decode_image(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if whole.dtype == np.uint8:
        return whole
    brightest = f'{whole.dtype}, up to {whole.max():g}'
    report.add('deep_image', image.label, brightest)
    return decode_image(data, cv2.IMREAD_GRAYSCALE)


def _check_end(data: bytes) -> None:
    """Refuses what OpenCV would fill up with gray.

    Raises:
        ValueError: If a JPEG or PNG has no end.
    """
    for name, start, end, inner in _ENDS:
        if data.startswith(start) and data.rfind(end) < data.rfind(inner):
            raise InputError(f'the {name} is cut short')
