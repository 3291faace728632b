"""What detectors miss of the labeled defects that they did not see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.detection_matches import matched_detections
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
    truth, matched = matched_detections(ann_file, results)
    sure = dict(zip(sorted(truth.cats), calibrations, strict=True))

    def chance(found: Mapping[str, Any] | None) -> float:
        if found is None:
            return 0.0
        calibration = sure[found['category_id']]
        return float(calibration(np.array([found['score']]))[0])

    return {number: chance(found) for number, found in matched.items()}
