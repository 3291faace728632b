"""Finds the overlap of two images of the same piece of surface, shifted.

Correlating the gray values would find light and shadow, and the lines that
any two images of scratches have in common. So images are flattened first:
what changes slowly down a column or along a row is removed, lines included,
and the rest is divided by its local strength. Then faint texture, which no
two places share, decides.
"""

from collections.abc import Sequence
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
        np.ndarray: complex64, of twice the height and width of the coarse
        image, so that shifts do not wrap around.
    """
    flat = coarse(image)
    return spectrum(flat, flat.shape)


def coarse(image: np.ndarray) -> np.ndarray:
    """Coarse, flattened version (float32) of a gray uint8 (H, W) image."""
    return flatten(image, COARSE_SIDE, detail=4, spread=4)


def spectrum(flat: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Fourier transform of a flattened image on a canvas of twice the size.

    Args:
        flat (np.ndarray): Flattened image (float32, shape (H, W)).
        canvas (tuple[int, int]): Rows and columns of the largest image that
            its spectrum will be compared with.

    Returns:
        np.ndarray: complex64, of twice the canvas.
    """
    padded = np.zeros((2 * canvas[0], 2 * canvas[1]), np.float32)
    padded[: flat.shape[0], : flat.shape[1]] = flat
    return _complex(cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT))


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
    return best_shifts(first, second.conj(), [shapes])[0]


def best_shifts(
    pair: np.ndarray,
    conjugate: np.ndarray,
    shapes: Sequence[tuple[tuple[int, int], tuple[int, int]] | None],
) -> list[Match]:
    """Finds the best shifts of one image against each of two others.

    Agreement is real, so two fit into one transform of complex numbers, which
    takes hardly longer than that of one.

    Args:
        pair (np.ndarray): Spectrum of one image plus i times that of another.
        conjugate (np.ndarray): Spectrum of the image to compare them with,
            its complex conjugate.
        shapes (Sequence): Of both or of the first comparison, as in
            :func:`best_shift`.
    """
    product = _real(pair * conjugate)
    flags = cv2.DFT_INVERSE | cv2.DFT_SCALE
    product = cv2.dft(product, dst=product, flags=flags)
    height, width = pair.shape
    full = height // 2, width // 2
    found = []
    for part, both in enumerate(shapes):
        weights, shifts = _weights(*(both or (full, full)), pair.shape)
        # Sums over n pixels, divided by the root of n: alike in spread.
        flat = (product[..., part] * weights).ravel()
        place = int(flat.argmax())
        spread = (float(np.dot(flat, flat)) / max(1, shifts)) ** 0.5
        y, x = divmod(place, width)
        found.append(
            Match(
                # Flattened images have a spread near 1. Next to none is
                # that of an image without structure, and rounding.
                strength=float(flat[place]) / spread if spread > 1e-3 else 0.0,
                shift=(
                    y if y < height // 2 else y - height,
                    x if x < width // 2 else x - width,
                ),
            )
        )
    return found


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


def _complex(pairs: np.ndarray) -> np.ndarray:
    """(H, W, 2) float32 as OpenCV has complex numbers, as (H, W) complex64."""
    return pairs.view(np.complex64)[..., 0]


def _real(numbers: np.ndarray) -> np.ndarray:
    """The reverse of :func:`_complex`."""
    return numbers.view(np.float32).reshape(*numbers.shape, 2)


@lru_cache(maxsize=64)
def _weights(
    first: tuple[int, int], second: tuple[int, int], shape: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """One over the root of the overlap's size, 0 where it is too small.

    Also the number of shifts with a large enough overlap. ``first`` and
    ``second`` are the shapes of the images, ``shape`` that of the spectra.
    """
    rows, columns = map(_common, first, second, shape)
    smaller = min(first[0] * first[1], second[0] * second[1])
    weights = np.outer(rows, columns)
    # Of numbers of pixels up to FINE_SIDE**2, no rounding exceeds the 1e-5.
    enough = weights <= (MIN_OVERLAP * smaller) ** -0.5 * (1 + 1e-5)
    weights *= enough
    return weights, int(np.count_nonzero(enough & (weights > 0)))


@lru_cache(maxsize=4096)
def _common(first: int, second: int, size: int) -> np.ndarray:
    """One over the root of the length that two sides have in common.

    At each shift of the second; 0 if they have nothing in common.
    """
    place = np.arange(size)
    shift = np.where(place < size // 2, place, place - size)
    begin = np.maximum(0, -shift)
    length = np.minimum(second, first - shift) - begin
    weights = np.where(length > 0, np.maximum(length, 1) ** -0.5, 0)
    return weights.astype(np.float32)
