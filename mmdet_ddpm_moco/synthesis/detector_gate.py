"""A detector of real defects as a quality gate."""

import hashlib
from pathlib import Path

import numpy as np

from ..bank.compositing import Box
from ..evaluation.judge import Judge, finds
from ..utils.errors import InputError


class JudgeGate:
    """Asks a detector whether it sees a defect where the label says so.

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
        judge: Judge,
        checkpoint: str | Path,
        iou: float = 0.5,
        score: float = 0.3,
    ) -> None:
        if not 0 < iou <= 1:
            msg = f'iou must be in (0, 1], got {iou}'
            raise InputError(msg)
        if not 0 <= score <= 1:
            msg = f'score must be in [0, 1], got {score}'
            raise InputError(msg)
        self._judge = judge
        self._good = dict(iou=iou, score=score)
        digest = hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest()
        # What the windows of a bank depend on, for its manifest.
        self.settings = dict(sha256=digest, **self._good)

    def __call__(self, image: np.ndarray, box: Box, label: int) -> bool:
        """Whether the detector finds the defect.

        Args:
            image (np.ndarray): BGR uint8 (H, W, 3), the host with its
                synthesized window.
            box (tuple): ``(x, y, w, h)`` of the defect.
            label (int): Its class.

        Returns:
            bool: Whether it does.
        """
        # One image at a time: what is found may not depend on the others.
        (found,) = self._judge.detect([image])
        return finds(found, box, label, **self._good)
