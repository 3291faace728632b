"""Cheap painted defects: pure numpy and OpenCV, nothing is learnt.

A defect is a blob, or a line where it is long and thin, as much darker or
lighter than its ground, and as grainy, as a real one beside it.
"""

import cv2
import numpy as np

from .compositing import Box, composite, crop, soft_alpha
from .defect_geometry import FEATHER, grow

# A box this much longer than wide holds a line.
LINE = 3.0
# Ground around a defect that it is compared with, in pixels.
RING = 8


def procedural_shape(
    size: tuple[int, int], rng: np.random.RandomState
) -> np.ndarray:
    """Draws the shape of a defect.

    Args:
        size (tuple[int, int]): ``(width, height)`` of its box in pixels.
        rng (np.random.RandomState): Source of randomness.

    Returns:
        np.ndarray: bool (height, width); some pixel is true.
    """
    w, h = size
    if max(w, h) >= LINE * min(w, h):
        shape = _line(max(w, h), min(w, h), rng)
        shape = shape if w >= h else shape.T
    else:
        shape = _blob(w, h, rng)
    return shape


def _line(length: int, width: int, rng: np.random.RandomState) -> np.ndarray:
    shape = np.zeros((width, length), np.uint8)
    thick = rng.randint(1, max(2, width // 3) + 1)
    xs = np.linspace(0, length - 1, 5)
    ys = np.clip(
        np.linspace(*rng.uniform(0, width, 2), 5) + rng.normal(0, 1, 5),
        0,
        width - 1,
    )
    points = np.stack([xs, ys], 1).round().astype(np.int32)
    cv2.polylines(shape, [points[:, None]], False, 1, thick)
    return shape.astype(bool)


def _blob(w: int, h: int, rng: np.random.RandomState) -> np.ndarray:
    noise = rng.normal(size=(h, w))
    cloud = cv2.GaussianBlur(noise, (0, 0), max(1.0, min(w, h) / 6))
    cloud /= cloud.std() or 1.0
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    height = cloud / 2 + 1 - 1.5 * (x**2 + y**2)
    shape = height > 0
    shape[np.unravel_index(height.argmax(), shape.shape)] = True
    return shape


def contrast(image: np.ndarray, box: Box) -> tuple[float, float]:
    """How a defect differs from the ground around it.

    Of the two groups into which Otsu's threshold parts the pixels of the
    box, the defect is the one further from the ground.

    Args:
        image (np.ndarray): uint8 (H, W, C).
        box (tuple): ``(x, y, w, h)`` of the defect, inside the image.

    Returns:
        tuple[float, float]: Difference of the mean levels, and by how much
        the defect is grainier (a standard deviation, >= 0), in grey levels.
        Both are 0 where the box fills the image.
    """
    around = grow(box, RING, image.shape[1::-1])
    ring = np.ones(around[3:1:-1], bool)
    crop(ring, (box[0] - around[0], box[1] - around[1], *box[2:]))[:] = False
    if not ring.any():
        return 0.0, 0.0
    grey = crop(image, around).mean(2).round().astype(np.uint8)
    grain = grey - cv2.GaussianBlur(grey.astype(np.float64), (0, 0), 1.0)
    level, _ = cv2.threshold(grey[~ring], 0, 255, cv2.THRESH_OTSU)
    ground = grey[ring].mean()
    groups = [
        part
        for part in (~ring & (grey <= level), ~ring & (grey > level))
        if part.any()
    ]
    defect = max(groups, key=lambda part: abs(grey[part].mean() - ground))
    more = grain[defect].var() - grain[ring].var()
    return float(grey[defect].mean() - ground), float(max(more, 0.0) ** 0.5)


def paint_defect(
    image: np.ndarray,
    region: np.ndarray,
    offset: float,
    spread: float,
    rng: np.random.RandomState,
) -> None:
    """Paints a defect with a soft rim.

    Args:
        image (np.ndarray): uint8 (H, W, C), changed in place.
        region (np.ndarray): bool (H, W), the defect's pixels.
        offset (float): Added to the ground, in grey levels.
        spread (float): Standard deviation of its grain in grey levels.
        rng (np.random.RandomState): Source of randomness.
    """
    x, y, w, h = cv2.boundingRect(region.astype(np.uint8))
    window = grow((x, y, w, h), FEATHER + 1, image.shape[1::-1])
    part = crop(image, window)
    grain = cv2.GaussianBlur(rng.normal(size=part.shape[:2]), (0, 0), 1.0)
    grain *= spread / (grain.std() or 1.0)
    painted = np.clip(part + offset + grain[..., None], 0, 255)
    alpha = soft_alpha(crop(region, window), FEATHER)
    part[:] = composite(part, painted.round().astype(np.uint8), alpha)
