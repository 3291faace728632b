"""Decoding images no larger than they are needed."""

from io import BytesIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

# What a JPEG can be shrunk by while it is decoded, and how to ask for it.
FACTORS = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def shrinkable_size(encoded: bytes) -> tuple[int, int] | None:
    """Reads the size off the header of an image that can be shrunk.

    Args:
        encoded (bytes): A whole image file.

    Returns:
        tuple[int, int] | None: ``(width, height)``; None for what is no
        JPEG, and for one with Exif data, which may have it turned.
    """
    try:
        with Image.open(BytesIO(encoded)) as header:
            if header.format == 'JPEG' and 'exif' not in header.info:
                return header.size
    except UnidentifiedImageError:  # cv2 reads what PIL does not know
        pass
    return None


def decode(
    encoded: bytes, factor: int = 1, grey: bool = False
) -> np.ndarray | None:
    """Decodes an image file.

    Args:
        encoded (bytes): A whole image file.
        factor (int): Of ``FACTORS``; more than 1 for JPEG only. Each pixel
            returned is about the mean of ``factor`` x ``factor`` pixels.
            Defaults to 1.
        grey (bool): Turn colours into grey. Defaults to False.

    Returns:
        np.ndarray | None: uint8 (ceil(H / factor), ceil(W / factor)) where
        the file or ``grey`` says so, else (..., 3), BGR; None if it can not
        be decoded.
    """
    colour = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_ANYCOLOR
    flags = colour | FACTORS[factor]
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
