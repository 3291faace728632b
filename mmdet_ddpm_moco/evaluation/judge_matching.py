"""Whether a detector's boxes say that there is a defect at a place."""

import numpy as np

from ..datasets.compositing import Box
from .judge import Detections


def finds(
    detections: Detections,
    box: Box,
    label: int,
    *,
    iou: float = 0.5,
    score: float = 0.3,
) -> bool:
    """Whether a defect is found: right place, right class.

    Args:
        detections (Detections): Of the image.
        box (tuple): ``(x, y, w, h)`` of the defect in pixels.
        label (int): Its class.
        iou (float): Lowest intersection over union. Defaults to 0.5.
        score (float): Lowest score. Defaults to 0.3.

    Returns:
        bool: True if some detection of this class is good enough.
    """
    good = (detections.scores >= score) & (detections.labels == label)
    shared, own, area = _areas(detections.boxes[good], box)
    return bool((shared >= iou * (own + area - shared)).any())


def fires_at(
    detections: Detections,
    box: Box,
    *,
    iou: float = 0.5,
    score: float = 0.3,
) -> bool:
    """Whether a detector sees a defect, of any class, at a place.

    Args:
        detections (Detections): Of the image.
        box (tuple): ``(x, y, w, h)`` of the place in pixels.
        iou (float): Lowest share: of the place's and the detection's union,
            or of the detection alone, so that a small one inside the place
            counts and a large one over it and much else does not. Defaults
            to 0.5.
        score (float): Lowest score. Defaults to 0.3.

    Returns:
        bool: True if some detection lies there.
    """
    good = detections.scores >= score
    shared, own, _ = _areas(detections.boxes[good], box)
    # An intersection over union that is enough implies the other.
    return bool(((shared > 0) & (shared >= iou * own)).any())


def _areas(
    boxes: np.ndarray, box: Box
) -> tuple[np.ndarray, np.ndarray, float]:
    """Areas of the intersections, of the boxes and of the box."""
    x, y, w, h = box
    low = np.maximum(boxes[:, :2], (x, y))
    high = np.minimum(boxes[:, 2:], (x + w, y + h))
    shared = np.clip(high - low, 0, None).prod(axis=1)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return shared, own, float(w * h)
