"""Boxes, alpha and compositing of defect windows, in numpy and OpenCV.

A window is a rectangle of an image. Its *alpha* says where synthesis may
change it: 255 on the defect, falling to 0 over a few pixels around it, 0
elsewhere. Labels are derived from alpha alone, so they are right by
construction.

Boxes are integer ``(x, y, w, h)`` in pixels, ``x`` and ``y`` from 0, as in
COCO.
"""

import cv2
import numpy as np

Box = tuple[int, int, int, int]


def soft_alpha(region: np.ndarray, feather: int) -> np.ndarray:
    """Alpha of a defect region: full inside, fading out around it.

    Args:
        region (np.ndarray): bool (H, W), the defect's own pixels.
        feather (int): Width of the fading rim in pixels, >= 0.

    Returns:
        np.ndarray: uint8 (H, W). 255 exactly where ``region`` is true, less
        than 255 elsewhere, 0 from ``feather + 1`` pixels (Euclidean) on.
    """
    region = np.asarray(region, bool)
    if not region.any():
        return np.zeros(region.shape, np.uint8)
    distance = cv2.distanceTransform(
        (~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    alpha = np.clip(1 - distance / (feather + 1), 0, 1)
    # Half a level below 255 keeps rounding from enlarging the region.
    alpha = np.where(region, 255, np.minimum(alpha * 255, 254))
    return alpha.astype(np.uint8)


def composite(
    background: np.ndarray, synthetic: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    """Blends a synthesized window into its background.

    Args:
        background (np.ndarray): uint8 (H, W) or (H, W, C).
        synthetic (np.ndarray): uint8, same shape.
        alpha (np.ndarray): uint8 (H, W).

    Returns:
        np.ndarray: uint8, same shape: ``background`` where alpha is 0,
        ``synthetic`` where it is 255, the rounded mix between.
    """
    a = alpha.astype(np.float32) / 255
    if background.ndim == 3:
        a = a[..., None]
    mixed = background * (1 - a) + synthetic * a
    return np.rint(mixed).astype(np.uint8)


def alpha_box(alpha: np.ndarray) -> Box | None:
    """Tight box of the defect that alpha, uint8 (H, W), marks.

    Returns:
        tuple[int, int, int, int] | None: ``(x, y, w, h)`` around all pixels
        of value 255; None where there is none.
    """
    x, y, w, h = cv2.boundingRect((alpha == 255).astype(np.uint8))
    return (x, y, w, h) if w and h else None


def intersect(a: Box, b: Box) -> Box:
    """Intersection of two boxes; width and height are 0 if they miss."""
    x, y = max(a[0], b[0]), max(a[1], b[1])
    w = min(a[0] + a[2], b[0] + b[2]) - x
    h = min(a[1] + a[3], b[1] + b[3]) - y
    return x, y, max(w, 0), max(h, 0)


def overlaps(a: Box, b: Box) -> bool:
    """Whether two boxes share a pixel."""
    _, _, w, h = intersect(a, b)
    return w > 0 and h > 0


def relative(box: Box, window: Box) -> Box:
    """What a window shows of a box, in coordinates of the window."""
    x, y, w, h = intersect(box, window)
    return x - window[0], y - window[1], w, h


def as_bgr(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 1) or BGR (H, W, 3) as BGR (H, W, 3)."""
    if pixels.shape[2] == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return pixels


def crop(image: np.ndarray, window: Box) -> np.ndarray:
    """The pixels of a window that lies inside the image (a view)."""
    x, y, w, h = window
    return image[y : y + h, x : x + w]
