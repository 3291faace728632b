"""Random parameters of an augmented view, and how they are applied.

Numbers are drawn from numpy's global generator, which MMEngine seeds in each
worker, in the order in which mmpretrain's ``RandomResizedCrop``,
``RandomApply`` of ``ColorJitter``, ``GaussianBlur`` and ``RandomFlip`` draw
them, so that the same seed gives the same views.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...bank.compositing import Box


@dataclass(frozen=True)
class ViewParams:
    """Parameters of one view."""

    box: Box  # of the crop in the sample
    # 'brightness' or 'contrast' and its factor, in order.
    jitter: list[tuple[str, float]]
    sigma: float  # of the blur, in pixels of the view; 0 for none
    flip: str | None  # one of DIRECTIONS, if any


def draw_box(
    size: tuple[int, int],
    crop_ratio_range: Sequence[float],
    aspect_ratio_range: Sequence[float],
    attempts: int = 10,
) -> Box:
    """Draws a crop of random area and aspect ratio.

    Args:
        size (tuple[int, int]): ``(width, height)`` of the sample.
        crop_ratio_range (Sequence[float]): Least and largest area, as a
            share of the whole.
        aspect_ratio_range (Sequence[float]): Least and largest width over
            height; its logarithm is uniform.
        attempts (int): Draws before falling back to the largest central
            crop in that range. Defaults to 10.

    Returns:
        Box: ``(x, y, w, h)``.
    """
    width, height = size
    least, largest = crop_ratio_range
    low, high = (math.log(ratio) for ratio in aspect_ratio_range)
    for _ in range(attempts):
        area = np.random.uniform(least, largest) * (width * height)
        aspect = math.exp(np.random.uniform(low, high))
        w = round(math.sqrt(area * aspect))
        h = round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            y = np.random.randint(0, height - h + 1)
            x = np.random.randint(0, width - w + 1)
            return x, y, w, h
    w = min(width, round(height * max(aspect_ratio_range)))
    h = min(height, round(width / min(aspect_ratio_range)))
    return (width - w) // 2, (height - h) // 2, w, h


def draw_jitter(
    brightness: float, contrast: float, prob: float
) -> list[tuple[str, float]]:
    """Draws factors in [1 - strength, 1 + strength], and their order."""
    if np.random.rand() >= prob:
        return []
    order = np.random.permutation(4)  # mmpretrain's also of saturation and hue
    strengths = dict(brightness=brightness, contrast=contrast)
    factors = {
        name: np.random.uniform(max(0, 1 - strength), 1 + strength)
        for name, strength in strengths.items()
        if strength > 0
    }
    names = [tuple(strengths)[i] for i in order if i < len(strengths)]
    return [(name, factors[name]) for name in names if name in factors]


def draw_sigma(sigma_range: Sequence[float], prob: float) -> float:
    """Draws the sigma of the blur, uniformly; 0 for none."""
    if np.random.rand() > prob:
        return 0.0
    low, high = sigma_range
    return low + np.random.uniform(0, 10) / 10 * (high - low)


def draw_flip(flips: Mapping[str, float]) -> str | None:
    """Draws a direction, each with its probability."""
    drawn = np.random.random_sample()
    for direction, until in zip(flips, np.cumsum(list(flips.values()))):
        if drawn < until:
            return direction
    return None


_LEVELS = np.arange(256, dtype=np.float32)
_FLIP_CODES = dict(horizontal=1, vertical=0, diagonal=-1)
DIRECTIONS = tuple(_FLIP_CODES)


def jitter(
    image: np.ndarray, steps: Sequence[tuple[str, float]]
) -> np.ndarray:
    """Changes brightness and contrast by one look-up table.

    Each step rounds down to whole gray levels, as in mmcv.

    Args:
        image (np.ndarray): uint8 (H, W) or (H, W, 3), BGR.
        steps (Sequence[tuple[str, float]]): ``'brightness'`` or
            ``'contrast'`` and its factor, in order.

    Returns:
        np.ndarray: Of the same shape; without steps the same array.
    """
    table: np.ndarray | None = None
    for name, factor in steps:
        pivot = 0
        if name == 'contrast':
            jittered = image if table is None else cv2.LUT(image, table)
            pivot = _mean_gray(jittered)
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
    """Flips; ``direction`` is one of ``DIRECTIONS`` or None."""
    if direction is None:
        return image
    return cv2.flip(image, _FLIP_CODES[direction])


def _mean_gray(image: np.ndarray) -> int:
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return round(float(np.ravel(cv2.mean(image))[0]))
