"""What is done to the pixels of one augmented view."""

from collections.abc import Sequence

import cv2
import numpy as np

_LEVELS = np.arange(256, dtype=np.float32)
_FLIP_CODES = dict(horizontal=1, vertical=0, diagonal=-1)
DIRECTIONS = tuple(_FLIP_CODES)


def jitter(
    image: np.ndarray, steps: Sequence[tuple[str, float]]
) -> np.ndarray:
    """Changes brightness and contrast, all in one look-up table.

    Each step rounds down to whole grey levels, as mmcv's do.

    Args:
        image (np.ndarray): uint8 (H, W) or (H, W, 3), BGR.
        steps (Sequence[tuple[str, float]]): ``'brightness'`` or
            ``'contrast'`` and its factor, in order.

    Returns:
        np.ndarray: Of the same shape; the same array without steps.
    """
    table = None
    for name, factor in steps:
        pivot = 0
        if name == 'contrast':
            seen = image if table is None else cv2.LUT(image, table)
            pivot = _mean_grey(seen)
        moved = cv2.addWeighted(
            _LEVELS, factor, np.full_like(_LEVELS, pivot), 1 - factor, 0
        )
        moved = moved.clip(0, 255).astype(np.uint8).ravel()
        table = moved if table is None else moved[table]
    return image if table is None else cv2.LUT(image, table)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; ``sigma`` is in pixels, 0 for none."""
    if sigma == 0:
        return image
    return cv2.GaussianBlur(
        image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE
    )


def flip(image: np.ndarray, direction: str | None) -> np.ndarray:
    """Mirrors; ``direction`` is one of ``DIRECTIONS`` or None."""
    if direction is None:
        return image
    return cv2.flip(image, _FLIP_CODES[direction])


def _mean_grey(image: np.ndarray) -> int:
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return round(cv2.mean(image)[0])
