"""Pseudo-labels: COCO annotations made by teachers.

Each has the probability that it is right. A detector is not told who is
right: it sees each box as often as that, see
:class:`~mmdet_ddpm_moco.datasets.transforms.scene_swap.SceneSwap`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .fusion import FusedDetections

# Boxes that are less likely right are left out.
MIN_PROBABILITY = 0.05


def pseudo_coco(
    images: Sequence[Mapping],
    categories: Sequence[Mapping],
    found: Mapping[int, FusedDetections],
    probabilities: Mapping[int, np.ndarray],
) -> dict:
    """COCO annotations of images that were labeled by teachers.

    Args:
        images (Sequence[Mapping]): COCO ``images``.
        categories (Sequence[Mapping]): COCO ``categories``, in the order of
            the labels.
        found (Mapping[int, FusedDetections]): By image id.
        probabilities (Mapping[int, np.ndarray]): That its boxes are right,
            (N, ) by image id.

    Returns:
        dict: ``images``, ``annotations`` (``bbox`` as x, y, width, height,
        ``score`` of the teachers, ``probability`` of being right, both in
        [0, 1]) and ``categories``.
    """
    annotations: list[dict] = []
    for image in images:
        here = found[image['id']]
        for box, score, label, probability in zip(
            here.boxes.tolist(),
            here.scores,
            here.labels,
            probabilities[image['id']],
            strict=True,
        ):
            if probability < MIN_PROBABILITY:
                continue
            x0, y0, x1, y1 = box
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image['id'],
                    category_id=categories[int(label)]['id'],
                    bbox=[round(v, 2) for v in (x0, y0, x1 - x0, y1 - y0)],
                    area=round((x1 - x0) * (y1 - y0), 2),
                    iscrowd=0,
                    score=round(float(score), 4),
                    probability=round(float(probability), 4),
                )
            )
    return dict(
        info=dict(description='Pseudo-labels of mmdet-ddpm-moco'),
        images=[dict(image) for image in images],
        annotations=annotations,
        categories=[dict(category) for category in categories],
    )
