"""How likely a box is right, by its class and score, learned out of fold.

One curve for all classes does not do: the scores of a class that is hard to
place never come near those of an easy one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import isotonic_regression

from ..evaluation.detection_matches import ClassMatches, Matches
from .fusion import FusedDetections

# Detections of a class below which its curve says nothing.
MIN_DETECTIONS = 10


@dataclass(frozen=True)
class Calibration:
    """Probability that a box of one class is right, a rising line.

    Attributes:
        name (str): The class.
        scores (tuple[float, ...]): Corners of the line, rising; none if too
            little is known: then no box counts.
        probabilities (tuple[float, ...]): That a box of such a score is
            right (class, IoU of at least 0.5), in [0, 1], rising.
    """

    name: str
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of boxes, float64 (N, ), by their scores (N, )."""
        if not self.scores:
            return np.zeros(len(scores))
        return np.interp(scores, self.scores, self.probabilities)


def calibrate(matches: Matches) -> list[Calibration]:
    """Learns how likely boxes are right from out-of-fold detections.

    Isotonic regression of right against score (Zadrozny and Elkan, 2002),
    with lines between the middles of its steps.

    Args:
        matches (Matches): Of detectors with images they did not see.

    Returns:
        list[Calibration]: One per class, in the order of ``matches``.
    """
    return [_calibrate(found) for found in matches.classes]


def _calibrate(found: ClassMatches) -> Calibration:
    counted = ~found.ignored[0]
    scores = found.scores[counted].astype(np.float64)  # falling
    right = found.true_positive[0][counted].astype(np.float64)
    if len(scores) < MIN_DETECTIONS:
        return Calibration(found.name, (), ())
    steps = isotonic_regression(right, increasing=False)
    edges = steps.blocks[::-1]  # of steps, by rising score
    middles = [scores[a:b].mean() for b, a in pairwise(edges)]
    heights = [steps.x[a] for a in edges[1:]]
    return Calibration(
        found.name, tuple(map(float, middles)), tuple(map(float, heights))
    )


def merged_probabilities(
    merged: Sequence[FusedDetections],
    singles: Sequence[Sequence[FusedDetections]],
    calibrations: Sequence[Calibration],
) -> list[np.ndarray]:
    """Probabilities that boxes of several teachers are right.

    Only a single teacher can be calibrated: the others have seen the labeled
    image. Merged teachers find more, yet their scores are lower, by each
    teacher that saw nothing. So ranks are matched in place of scores: the
    n-th surest merged box of a class has the mean of the probabilities of
    each teacher's n-th surest box, over all images. As many are expected to
    be right as one teacher expects on average.

    Args:
        merged (Sequence[FusedDetections]): Of all teachers, by image.
        singles (Sequence[Sequence[FusedDetections]]): By teacher and image.
        calibrations (Sequence[Calibration]): By class index.

    Returns:
        list[np.ndarray]: float64 (N, ) by image, in the order of its boxes.
    """
    labels = np.concatenate([found.labels for found in merged])
    scores = np.concatenate([found.scores for found in merged])
    probabilities = np.zeros(len(scores))
    for label, calibration in enumerate(calibrations):
        here = np.flatnonzero(labels == label)
        surest = here[np.argsort(-scores[here], kind='stable')]
        for images in singles:
            own = [found.scores[found.labels == label] for found in images]
            likely = calibration(np.sort(np.concatenate(own))[::-1])
            likely = likely[: len(surest)]
            probabilities[surest[: len(likely)]] += likely / len(singles)
    ends = np.cumsum([len(found.scores) for found in merged])
    return np.split(probabilities, ends[:-1])
