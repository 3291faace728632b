"""Pictures as data URIs, small enough for a page."""

import base64
from pathlib import Path

import cv2
import numpy as np

from .blocks import Note, Picture

# Bytes of one picture before base64; a page has six of them at most.
MAX_BYTES = 700_000
_MAX_WIDTH = 1600
_QUALITY = 88


def embed(pixels: np.ndarray, caption: str) -> Picture:
    """Encodes a picture.

    Args:
        pixels (np.ndarray): BGR uint8 (H, W, 3).
        caption (str): What it shows.

    Returns:
        Picture: PNG where that is small, else JPEG; scaled down to at most
        1600 pixels of width and 700 kB.
    """
    scale = min(1.0, _MAX_WIDTH / pixels.shape[1])
    while True:
        height, width = (max(1, round(s * scale)) for s in pixels.shape[:2])
        shown = pixels
        if scale < 1:
            size = (width, height)
            shown = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        png = cv2.imencode('.png', shown)[1].tobytes()
        quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        jpeg = cv2.imencode('.jpg', shown, quality)[1].tobytes()
        # PNG keeps the edges of drawn boxes and letters.
        kind, data = 'jpeg', jpeg
        if len(png) <= max(MAX_BYTES // 2, len(jpeg)):
            kind, data = 'png', png
        if len(data) <= MAX_BYTES:
            text = base64.b64encode(data).decode()
            uri = f'data:image/{kind};base64,{text}'
            return Picture(uri, caption, width, height)
        scale *= 0.8


def embed_file(file: Path, caption: str) -> Picture | Note:
    """Encodes a picture of a file, or says that it cannot be read."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        return Note(f'{file.name} cannot be read.')
    return embed(pixels, caption)
