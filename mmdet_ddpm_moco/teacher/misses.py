"""What detectors miss of the labeled defects that they did not see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.detection_matches import evaluate
from .calibration import Calibration


def chances_found(
    ann_file: str | Path,
    results: Sequence[Mapping[str, Any]],
    calibrations: Sequence[Calibration],
) -> dict[int, float]:
    """How surely each labeled defect was found.

    Args:
        ann_file (str | Path): COCO annotations, json.
        results (Sequence[Mapping]): COCO results of detectors on images that
            they did not see.
        calibrations (Sequence[Calibration]): By class, in the order of the
            category ids.

    Returns:
        dict[int, float]: By annotation id, the probability of being right,
        in [0, 1], of the detection that COCO matches with it (class, IoU of
        at least 0.5); 0 without one. Crowd regions are left out.
    """
    truth, evaluation = evaluate(
        ann_file, results, iou_thresholds=np.array([0.5])
    )
    sure = dict(zip(sorted(truth.cats), calibrations, strict=True))
    chances: dict[int, float] = {}
    for found in filter(None, evaluation.evalImgs):
        calibration = sure[found['category_id']]
        for annotation, ignored, match in zip(
            found['gtIds'], found['gtIgnore'], found['gtMatches'][0]
        ):
            if ignored:
                continue
            # COCOeval knows a detection by its place in the list, from 1.
            score = results[int(match) - 1]['score'] if match else None
            chances[annotation] = (
                0.0
                if score is None
                else float(calibration(np.array([score]))[0])
            )
    return chances
