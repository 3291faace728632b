"""Finds the overlap of two images of the same piece of surface, shifted.

Correlating the gray values would find light and shadow, and the lines that
any two images of scratches have in common. So images are flattened first:
what changes slowly down a column or along a row is removed, lines included,
and the rest is divided by its local strength. Then faint texture, which no
two places share, decides.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..utils.perceptual_hash import flatten, reduced

# Sides in pixels. At FINE_SIDE rolled steel still shows its texture.
COARSE_SIDE = 64
FINE_SIDE = 128

# Share of the image that two images must have in common.
MIN_OVERLAP = 0.2

# A shift is exact to about one coarse pixel, which is two or three fine ones.
_SLACK = 3


@dataclass(frozen=True)
class Match:
    """The best shift of one image against another."""

    # Agreement at this shift over its root mean square at all shifts: how
    # far it is from chance, whatever the grain of the surface. Unrelated
    # images reach 4 or 5.
    strength: float
    # Rows and columns, in coarse pixels, by which the content of the second
    # image is further down and right in the first.
    shift: tuple[int, int]


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Gray uint8 (H, W) image with sides of at most ``FINE_SIDE`` pixels."""
    return reduced(image, FINE_SIDE)


def coarse_spectrum(image: np.ndarray) -> np.ndarray:
    """Fourier transform of a coarse, flattened gray uint8 (H, W) image.

    Returns:
        np.ndarray: float32 in OpenCV's packed layout, of twice the height
        and width of the coarse image, so that shifts do not wrap around.
    """
    flat = flatten(image, COARSE_SIDE, detail=4, spread=4)
    return spectrum(flat, flat.shape)


def spectrum(flat: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Fourier transform of a flattened image on a canvas of twice the size.

    Args:
        flat (np.ndarray): Flattened image (float32, shape (H, W)).
        canvas (tuple[int, int]): Rows and columns of the largest image that
            its spectrum will be compared with.

    Returns:
        np.ndarray: float32 in OpenCV's packed layout, of twice the canvas.
    """
    padded = np.zeros((2 * canvas[0], 2 * canvas[1]), np.float32)
    padded[: flat.shape[0], : flat.shape[1]] = flat
    return cv2.dft(padded)


def best_shift(
    first: np.ndarray,
    second: np.ndarray,
    shapes: tuple[tuple[int, int], tuple[int, int]] | None = None,
) -> Match:
    """Finds the shift at which two images agree best.

    Args:
        first (np.ndarray): Spectrum of the first image.
        second (np.ndarray): Spectrum of the second one, of the same shape.
        shapes (tuple, optional): Shapes of both images, if they do not fill
            the canvas. Defaults to None.
    """
    product = cv2.mulSpectrums(first, second, 0, conjB=True)
    flags = cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT
    full = first.shape[0] // 2, first.shape[1] // 2
    weights, shifts = _weights(*(shapes or (full, full)), first.shape)
    # Sums over n pixels, divided by the root of n: alike in spread.
    agreement = cv2.dft(product, flags=flags) * weights
    _, peak, _, (x, y) = cv2.minMaxLoc(agreement)
    spread = cv2.norm(agreement) / shifts**0.5
    height, width = first.shape
    return Match(
        strength=peak / spread if spread > 1e-6 else 0.0,
        shift=(
            y if y < height // 2 else y - height,
            x if x < width // 2 else x - width,
        ),
    )


def fine_correlation(
    first: np.ndarray,
    second: np.ndarray,
    shift: tuple[int, int],
    scale: float | None = None,
) -> float:
    """Highest correlation of the overlap near a shift, in [-1, 1].

    Args:
        first (np.ndarray): Gray image (uint8, shape (H, W)).
        second (np.ndarray): Gray image of the same scale.
        shift (tuple[int, int]): As in ``Match``.
        scale (float, optional): Pixels per step of the shift. Defaults to
            those of a coarse pixel.

    Returns:
        float: 0 if nothing comparable overlaps.
    """
    a = flatten(first, FINE_SIDE, detail=5, spread=5)
    b = flatten(second, FINE_SIDE, detail=5, spread=5)
    if scale is None:
        scale = max(1.0, max(a.shape) / COARSE_SIDE)
    rows, cols = (round(step * scale) for step in shift)
    top, bottom = max(0, -rows), min(b.shape[0], a.shape[0] - rows)
    left, right = max(0, -cols), min(b.shape[1], a.shape[1] - cols)
    field = a[top + rows : bottom + rows, left + cols : right + cols]
    piece = b[top + _SLACK : bottom - _SLACK, left + _SLACK : right - _SLACK]
    if piece.size < 64 or piece.std() < 1e-3 or field.std() < 1e-3:
        return 0.0
    found = cv2.matchTemplate(field, piece, cv2.TM_CCOEFF_NORMED)
    return float(np.clip(found.max(), -1, 1))


@lru_cache(maxsize=64)
def _weights(
    first: tuple[int, int], second: tuple[int, int], shape: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """One over the root of the overlap's size, 0 where it is too small.

    Also the number of shifts with a large enough overlap. ``first`` and
    ``second`` are the shapes of the images, ``shape`` that of the spectra.
    """
    rows, columns = map(_common, first, second, shape)
    common = np.outer(rows, columns)
    smaller = min(first[0] * first[1], second[0] * second[1])
    enough = common >= MIN_OVERLAP * smaller
    weights = np.where(enough, 1 / np.sqrt(np.maximum(common, 1)), 0)
    return weights.astype(np.float32), int(enough.sum())


def _common(first: int, second: int, size: int) -> np.ndarray:
    """Length that two sides have in common at each shift of the second."""
    place = np.arange(size)
    shift = np.where(place < size // 2, place, place - size)
    begin = np.maximum(0, -shift)
    return np.maximum(0, np.minimum(second, first - shift) - begin)
