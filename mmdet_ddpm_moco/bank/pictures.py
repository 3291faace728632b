"""The pictures of a bank's windows: RGBA PNGs, for people and programs."""

from pathlib import Path

import cv2
import numpy as np

from ..utils.errors import InputError
from .format import IMAGES, BankWindow, png_name


def encode_picture(pixels: np.ndarray) -> bytes:
    """A PNG of BGRA pixels, uint8 (h, w, 4)."""
    return cv2.imencode('.png', pixels)[1].tobytes()


def read_picture(
    root: Path, window: BankWindow
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the picture of a window.

    Args:
        root (Path): Folder of the bank.
        window (BankWindow): One of its windows.

    Returns:
        tuple[np.ndarray, np.ndarray]: BGR uint8 (h, w, 3) and alpha uint8
        (h, w).

    Raises:
        ValueError: It is missing or damaged.
    """
    path = root / IMAGES / png_name(window.number)
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    *_, w, h = window.window
    if found is None or found.shape != (h, w, 4):
        msg = f'{path} is missing or damaged; make the bank again'
        raise InputError(msg)
    return found[..., :3].copy(), found[..., 3].copy()
