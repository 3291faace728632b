"""Decoding images no larger than needed."""

import cv2
import numpy as np

# Factors by which the decoder can shrink a JPEG, and their OpenCV flags.
FACTORS = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
# Markers of the frames of a JPEG, SOF0 to SOF15, which have the size; among
# them are DHT, JPG and DAC (ITU T.81, table B.1).
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1 = 0xE1


def shrinkable_size(encoded: bytes) -> tuple[int, int] | None:
    """Reads the size of an image that can be shrunk from its header.

    Not by PIL, which takes as long as a whole view.

    Returns:
        tuple[int, int] | None: ``(width, height)``; None if it is not a
        JPEG, has Exif data, which may rotate it, or cannot be parsed.
    """
    at = 2 if encoded[:2] == b'\xff\xd8' else len(encoded)
    while at + 9 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker == _APP1 and encoded[at + 4 : at + 8] == b'Exif':
            return None
        if marker in _FRAMES:
            height = int.from_bytes(encoded[at + 5 : at + 7], 'big')
            width = int.from_bytes(encoded[at + 7 : at + 9], 'big')
            return (width, height) if width and height else None
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], 'big')
    return None


def decode(
    encoded: bytes, factor: int = 1, gray: bool = False
) -> np.ndarray | None:
    """Decodes an image file.

    Args:
        encoded (bytes): A whole image file.
        factor (int): One of ``FACTORS``; above 1 for JPEGs only. Each pixel
            is about the mean of ``factor`` x ``factor`` pixels. Defaults
            to 1.
        gray (bool): Turn colors into gray. Defaults to False.

    Returns:
        np.ndarray | None: uint8 (ceil(H / factor), ceil(W / factor)) if the
        file is gray or ``gray`` is set, else (..., 3), BGR; None if it
        cannot be decoded.
    """
    if not encoded:
        return None
    color = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_ANYCOLOR
    flags = color | FACTORS[factor]
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
