"""Pseudo-labels: COCO annotations made by teachers.

Kept boxes are ordinary annotations with a ``score``. Boxes of which nobody
can tell are annotations with ``iscrowd=1``, which mmdet reads as regions to
ignore: neither defect nor background.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .fusion import FusedDetections
from .thresholds import Threshold, by_label

# Share of a box inside a kept one from which on it is the same defect.
INSIDE = 0.7


def label_image(
    found: FusedDetections,
    thresholds: Sequence[Threshold],
    min_agreement: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes of one image are kept, and which are ignored.

    Args:
        found (FusedDetections): Of the image.
        thresholds (Sequence[Threshold]): By class index.
        min_agreement (float): A box whose views agree on its place by less
            than this mean IoU is ignored instead of kept, in [0, 1].
            Defaults to 0, kept.

    Returns:
        tuple[np.ndarray, np.ndarray]: Indices of the kept boxes and of the
        ignored ones, int64.
    """
    high, low = by_label(thresholds)
    kept = found.scores >= high[found.labels]
    seen = found.scores >= low[found.labels]
    kept &= found.agreement >= min_agreement
    seen &= ~kept & ~_explained(found, kept)
    return np.flatnonzero(kept), np.flatnonzero(seen)


def _explained(found: FusedDetections, kept: np.ndarray) -> np.ndarray:
    """Boxes that are mostly inside a kept box of their class, bool (N, ).

    They are the same defect once more, and no region to ignore: that would
    take anchors of the kept box out of the loss.
    """
    boxes = found.boxes
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inside = shared >= INSIDE * np.maximum(area, 1e-6)[:, None]
    same = found.labels[:, None] == found.labels[None]
    return (inside & same & kept[None]).any(axis=1)


def pseudo_coco(
    images: Sequence[Mapping],
    categories: Sequence[Mapping],
    found: Mapping[int, FusedDetections],
    thresholds: Sequence[Threshold],
    min_agreement: float = 0.0,
) -> dict:
    """COCO annotations of images that were labeled by teachers.

    Args:
        images (Sequence[Mapping]): COCO ``images``.
        categories (Sequence[Mapping]): COCO ``categories``, in the order of
            the labels.
        found (Mapping[int, FusedDetections]): By image id.
        thresholds (Sequence[Threshold]): By class index.
        min_agreement (float): See :func:`label_image`. Defaults to 0.

    Returns:
        dict: ``images``, ``annotations`` (``bbox`` as x, y, width, height,
        ``score``, ``support``, ``agreement``, and ``iscrowd`` 1 for regions
        to ignore) and ``categories``.
    """
    annotations: list[dict] = []
    for image in images:
        here = found[image['id']]
        kept, ignored = label_image(here, thresholds, min_agreement)
        for index, crowd in [(i, 0) for i in kept] + [(i, 1) for i in ignored]:
            x0, y0, x1, y1 = (float(v) for v in here.boxes[index])
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image['id'],
                    category_id=categories[int(here.labels[index])]['id'],
                    bbox=[round(v, 2) for v in (x0, y0, x1 - x0, y1 - y0)],
                    area=round((x1 - x0) * (y1 - y0), 2),
                    iscrowd=crowd,
                    score=round(float(here.scores[index]), 4),
                    support=round(float(here.support[index]), 3),
                    agreement=round(float(here.agreement[index]), 3),
                )
            )
    return dict(
        info=dict(description='Pseudo-labels of mmdet-ddpm-moco'),
        images=[dict(image) for image in images],
        annotations=annotations,
        categories=[dict(category) for category in categories],
    )
