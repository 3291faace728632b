"""Boxes of several teachers and flips, merged into one set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ensemble_boxes import weighted_boxes_fusion

from ..evaluation.judge import Detections


@dataclass(frozen=True)
class FusedDetections:
    """What several views of one image agree on, highest score first.

    Attributes:
        boxes (np.ndarray): float32 (N, 4), x0, y0, x1, y1 in pixels.
        scores (np.ndarray): float32 (N, ), in [0, 1]: mean score of the
            boxes that were merged, lowered by the views that had none.
        labels (np.ndarray): int64 (N, ).
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def flip_image(image: np.ndarray, flip: str) -> np.ndarray:
    """Mirrors an image.

    Args:
        image (np.ndarray): (H, W) or (H, W, C).
        flip (str): One of ``settings.FLIPS``; ``'diagonal'`` is both ways,
            half a turn, as in mmdet's ``RandomFlip``.

    Returns:
        np.ndarray: Same shape.
    """
    if flip in ('vertical', 'diagonal'):
        image = image[::-1]
    if flip in ('horizontal', 'diagonal'):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def flip_boxes(
    boxes: np.ndarray, flip: str, height: int, width: int
) -> np.ndarray:
    """Boxes of a mirrored image; the same again takes them back.

    Args:
        boxes (np.ndarray): (N, 4), x0, y0, x1, y1 in pixels.
        flip (str): One of ``settings.FLIPS``.
        height (int): Of the image.
        width (int): Of the image.

    Returns:
        np.ndarray: Same shape and dtype.
    """
    boxes = boxes.copy()
    if flip in ('horizontal', 'diagonal'):
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    if flip in ('vertical', 'diagonal'):
        boxes[:, [1, 3]] = height - boxes[:, [3, 1]]
    return boxes


def fuse(
    views: Sequence[Detections],
    size: tuple[int, int],
    iou: float = 0.55,
    min_score: float = 0.05,
) -> FusedDetections:
    """Merges the detections of several views of one image.

    Weighted boxes fusion (Solovyev, Wang, Gabruseva: Weighted boxes fusion,
    2021), by ``ensemble-boxes``.

    Args:
        views (Sequence[Detections]): One per teacher and flip, all in the
            coordinates of the image as it is.
        size (tuple[int, int]): ``(height, width)`` of the image in pixels.
        iou (float): Lowest IoU at which boxes are merged, in (0, 1).
            Defaults to 0.55.
        min_score (float): Detections below this are left out. Defaults to
            0.05.

    Returns:
        FusedDetections: Possibly empty.
    """
    height, width = size
    scale = np.array([width, height, width, height], np.float32)
    boxes, scores, labels = weighted_boxes_fusion(
        [np.clip(view.boxes / scale, 0, 1) for view in views],
        [view.scores for view in views],
        [view.labels for view in views],
        iou_thr=iou,
        skip_box_thr=min_score,
    )
    return FusedDetections(
        (boxes * scale).astype(np.float32).reshape(-1, 4),
        scores.astype(np.float32),
        labels.astype(np.int64),
    )
