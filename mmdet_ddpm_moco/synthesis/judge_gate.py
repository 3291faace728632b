"""A detector as the last gate of a bank."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..bank.compositing import Box
from ..utils.checks import check_arguments

if TYPE_CHECKING:  # only a bank with a judge needs a detector's libraries
    from ..evaluation.judge import Detections, Judge


class JudgeGate:
    """Whether a detector finds a defect where its label is, or any.

    The detector should be trained on the labeled images that the generator
    was trained on, and on no others.

    Args:
        judge (Judge): The detector.
        checkpoint (str | Path): File of its weights.
        iou (float): Lowest overlap of a found box, in (0, 1]. Defaults to
            0.5.
        score (float): Lowest score of a detection, in [0, 1]. Defaults to
            0.3.

    Raises:
        ValueError: ``iou`` or ``score`` is out of range.
    """

    def __init__(
        self,
        judge: 'Judge',
        checkpoint: str | Path,
        iou: float = 0.5,
        score: float = 0.3,
    ) -> None:
        check_arguments(
            locals(),
            iou=(0 < iou <= 1, 'in (0, 1]'),
            score=(0 <= score <= 1, 'in [0, 1]'),
        )
        self._judge = judge
        self._limits = dict(iou=iou, score=score)
        digest = hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest()
        # For the manifest, since the windows of a bank depend on it.
        self.settings = dict(sha256=digest, **self._limits)

    def finds(self, image: np.ndarray, box: Box, label: int) -> bool:
        """Whether a defect is found in a host, BGR uint8 (H, W, 3)."""
        return self._detect(image).has(box, label, **self._limits)

    def sees_any(self, image: np.ndarray, box: Box) -> bool:
        """Whether any defect is found at a place in such a host."""
        return self._detect(image).has_any(box, **self._limits)

    def _detect(self, image: np.ndarray) -> 'Detections':
        # One image at a time: results may not depend on the others.
        (found,) = self._judge.detect([image])
        return found
