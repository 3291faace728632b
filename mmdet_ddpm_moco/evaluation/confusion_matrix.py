"""Which classes a detector takes for which, as counts of boxes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .detection_matches import evaluate


def confusion_matrix(
    ann_file: str | Path,
    detections: Sequence[Mapping[str, Any]],
    *,
    score_thr: float,
    iou: float = 0.5,
) -> np.ndarray:
    """Counts pairs of true and detected classes.

    Boxes are matched whatever their classes, the surest detection first,
    each with the box it overlaps most of those that are left. Boxes of
    crowds, and detections matched with them, do not count.

    Args:
        ann_file (str | Path): COCO annotations, json.
        detections (Sequence[Mapping]): COCO results.
        score_thr (float): Lowest score of a detection that counts, in
            [0, 1].
        iou (float): Lowest intersection over union of a match, in (0, 1].
            Defaults to 0.5.

    Returns:
        np.ndarray: int64 (classes + 1, classes + 1), a row for each true
        class and a column for each detected one, in the order of their
        category ids. The last row are detections without a box, the last
        column boxes without a detection.

    Raises:
        ValueError: See :func:`.detection_matches.match_detections`.
    """
    kept = [d for d in detections if d['score'] >= score_thr]
    truth, evaluation = evaluate(
        ann_file, kept, iou_thresholds=np.array([iou]), by_class=False
    )
    place = {category: i for i, category in enumerate(sorted(truth.cats))}
    none = len(place)
    counts = np.zeros((none + 1, none + 1), dtype=np.int64)
    # COCOeval knows a detection by its place in the list, from 1.
    for found in filter(None, evaluation.evalImgs):
        for annotation, ignored, match in zip(
            found['gtIds'], found['gtIgnore'], found['gtMatches'][0]
        ):
            if ignored:
                continue
            row = place[truth.anns[annotation]['category_id']]
            column = none
            if match:
                column = place[kept[int(match) - 1]['category_id']]
            counts[row, column] += 1
        for detection, ignored, match in zip(
            found['dtIds'], found['dtIgnore'][0], found['dtMatches'][0]
        ):
            if not (ignored or match):
                counts[none, place[kept[detection - 1]['category_id']]] += 1
    return counts
