"""Scores of all folds together, as if one detector had seen every tile."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmdet_ddpm_moco.evaluation.average_precision import bootstrap, summary
from mmdet_ddpm_moco.evaluation.detection_matches import (
    Matches,
    match_detections,
)

# Shares of the defects that are to be found, for counting false alarms.
RECALLS = (0.5, 0.7)


def pooled_scores(
    ann_file: Path, detections: Sequence[Path], resamples: int
) -> dict[str, Any]:
    """Scores the detections of all folds on all images.

    Args:
        ann_file (Path): COCO annotations of all images.
        detections (Sequence[Path]): COCO results of each fold.
        resamples (int): Of the bootstrap over images.

    Returns:
        dict[str, Any]: That of
        :func:`~mmdet_ddpm_moco.evaluation.average_precision.summary` in
        percent; ``any_kind``, the AP50 where the kind does not matter;
        ``false_alarms``, see :func:`false_alarms`, by recall; ``bootstrap``.
    """
    found = [
        box for file in detections for box in json.loads(file.read_text())
    ]
    matches = match_detections(ann_file, found)
    one = match_detections(ann_file, found, by_class=False)
    return dict(
        summary(matches),
        any_kind=summary(one)['AP50'],
        false_alarms={str(r): false_alarms(one, r) for r in RECALLS},
        bootstrap=bootstrap(matches, resamples),
    )


def false_alarms(matches: Matches, recall: float) -> float:
    """False alarms per defect-free image where enough defects are found.

    Args:
        matches (Matches): Of a single class.
        recall (float): Share of the defects that is found at an IoU of 0.5,
            in (0, 1]; it sets the threshold of the scores.

    Returns:
        float: Detections of at least that score per image without defects;
        NaN if so many defects are not found at any threshold.
    """
    (found,) = matches.classes
    right = np.cumsum(found.true_positive[0])
    enough = right >= recall * found.ground_truths.sum()
    if not enough.any():
        return float('nan')
    alarms = found.scores >= found.scores[enough.argmax()]
    free = found.ground_truths == 0
    return float((alarms & free[found.image]).sum() / free.sum())
