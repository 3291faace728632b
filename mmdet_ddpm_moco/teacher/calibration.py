"""How likely a box is right, by its class and score, learned out of fold.

One curve for all classes does not do: the scores of a class that is hard to
place never come near those of an easy one.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import isotonic_regression

from ..evaluation.detection_matches import ClassMatches, Matches

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
