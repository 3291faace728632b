"""From which score on a box is kept, per class, learned out of fold.

One number for all classes does not do: scores of a class that is hard to
place never come near those of an easy one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from ..evaluation.detection_matches import ClassMatches, Matches
from ..utils.errors import InputError

# Detections of a class below which its curve says nothing.
MIN_DETECTIONS = 10
# Above any score: nothing is kept, nothing ignored.
_NOTHING = (1.01, 1.01, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Threshold:
    """What is kept and what is ignored of one class.

    Attributes:
        name (str): The class.
        high (float): Boxes of at least this score are kept, in [0, 1].
        low (float): Boxes between ``low`` and ``high`` are ignored: neither
            defect nor background. Below it they are background.
        precision (float): Share of the kept boxes that are right (class,
            IoU of at least 0.5), out of fold.
        recall (float): Share of the labeled boxes that are found by them.
        recall_ignored (float): Share found by those that are ignored.
    """

    name: str
    high: float
    low: float
    precision: float
    recall: float
    recall_ignored: float


def calibrate(
    matches: Matches, precision: float = 0.7, low_precision: float = 0.2
) -> list[Threshold]:
    """Chooses both thresholds of each class from out-of-fold detections.

    ``high`` is the lowest score from which on the kept boxes have the
    precision asked for. A class that never has it gets the score of the best
    F0.5 instead, so that it is not left out, unless even those boxes have
    less than ``low_precision``: then nothing of it is kept. ``low`` is the
    score below which a box is right less often than ``low_precision``, by
    isotonic regression of right against score (Zadrozny and Elkan, 2002).

    Args:
        matches (Matches): Of detectors with images they did not see.
        precision (float): Asked of the kept boxes, in (0, 1]. Defaults to
            0.7.
        low_precision (float): In [0, 1), at most ``precision``. Defaults to
            0.2.

    Returns:
        list[Threshold]: One per class, in the order of ``matches``.

    Raises:
        ValueError: An argument is out of range.
    """
    if not 0 <= low_precision <= precision <= 1 or precision == 0:
        msg = (
            'precision must be in (0, 1] and low_precision at most that, got '
            f'{precision} and {low_precision}'
        )
        raise InputError(msg)
    return [
        _threshold(found, precision, low_precision)
        for found in matches.classes
    ]


def _threshold(
    found: ClassMatches, precision: float, low_precision: float
) -> Threshold:
    counted = ~found.ignored[0]
    scores = found.scores[counted]
    right = found.true_positive[0][counted]
    truths = int(found.ground_truths.sum())
    if len(scores) < MIN_DETECTIONS or truths == 0:
        return Threshold(found.name, *_NOTHING)
    hits = np.cumsum(right)
    precisions = hits / np.arange(1, len(scores) + 1)
    # Boxes of one score are kept together, so that only the last counts.
    last = np.append(scores[1:] != scores[:-1], True)
    enough = np.flatnonzero(
        last
        & (precisions >= precision)
        & (np.arange(len(scores)) + 1 >= MIN_DETECTIONS)
    )
    if len(enough):
        kept = int(enough[-1]) + 1
    else:
        recalls = hits / truths
        f_half = (
            1.25
            * precisions
            * recalls
            / np.maximum(0.25 * precisions + recalls, 1e-12)
        )
        kept = int(np.where(last, f_half, -1).argmax()) + 1
        if precisions[kept - 1] < max(low_precision, 1e-12):
            return Threshold(found.name, *_NOTHING)
    likely = isotonic_regression(right.astype(np.float64), increasing=False).x
    some = max(int((likely >= low_precision).sum()), kept)
    return Threshold(
        found.name,
        float(scores[kept - 1]),
        float(scores[some - 1]),
        float(precisions[kept - 1]),
        float(hits[kept - 1] / truths),
        float((hits[some - 1] - hits[kept - 1]) / truths),
    )


def by_label(thresholds: Sequence[Threshold]) -> tuple[np.ndarray, np.ndarray]:
    """Both thresholds by class index.

    Returns:
        tuple[np.ndarray, np.ndarray]: ``high`` and ``low``, float64
        (classes, ).
    """
    return (
        np.array([t.high for t in thresholds]),
        np.array([t.low for t in thresholds]),
    )
