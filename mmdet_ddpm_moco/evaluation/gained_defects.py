"""Which defects a detector finds that another one misses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from ..visualization.box_cells import COLUMNS, box_cell, grid, heading
from .detection_matches import evaluate, load_detections, matched_detections

ROWS = 2  # of each kind, in a picture


@dataclass(frozen=True)
class GainedDefects:
    """What one of two detectors finds alone.

    Attributes:
        truth (COCO): The annotated images.
        gained (list[Mapping]): Detections of the second, surest first.
        lost (list[Mapping]): Of the first, likewise.
        both (int): Defects that both find.
        neither (int): Defects that none of them finds.
    """

    truth: COCO
    gained: list[Mapping[str, Any]]
    lost: list[Mapping[str, Any]]
    both: int
    neither: int

    def __str__(self) -> str:
        return (
            f'{len(self.gained)} defects are found that were missed, '
            f'{len(self.lost)} are missed that were found; {self.both} were '
            f'and are found, {self.neither} never'
        )

    def draw(self, prefix: str | Path) -> np.ndarray:
        """Draws what is gained and, below it, what is lost.

        Args:
            prefix (str | Path): Folder that the file names start from.

        Returns:
            np.ndarray: BGR uint8 (H, W, 3).
        """
        names = {c: kind['name'] for c, kind in self.truth.cats.items()}
        parts: list[np.ndarray] = []
        for title, boxes in (
            ('found, missed before', self.gained),
            ('missed, found before', self.lost),
        ):
            cells = [
                box_cell(box, self.truth, Path(prefix), names, detected=True)
                for box in boxes[: ROWS * COLUMNS]
            ]
            rows = range(0, len(cells), COLUMNS)
            cut = grid([cells[i : i + COLUMNS] for i in rows])
            parts += [heading(f'{title}: {len(boxes)}', cut.shape[1]), cut]
        return np.vstack(parts)


def gained_defects(
    ann_file: str | Path,
    before: str | Path,
    after: str | Path,
    classes: Sequence[str] | None = None,
) -> GainedDefects:
    """Compares the detections of two detectors on the same images.

    Scores of two detectors have no common scale. So each is asked for its
    surest boxes, as many as there are defects: a detector that finds more
    among those has fewer false alarms, too.

    Args:
        ann_file (str | Path): COCO annotations, json.
        before (str | Path): Detections in the COCO results format, json.
        after (str | Path): Those of the other detector.
        classes (Sequence[str], optional): Those that count. Defaults to
            None, all.

    Returns:
        GainedDefects: Found is a defect with a box of its class and an IoU
        of at least 0.5.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is no such json, or a detection is invalid or of
            another image.
    """
    truth, defects = matched_detections(ann_file, [])
    known = set(
        truth.getCatIds()
        if classes is None
        else truth.getCatIds(catNms=list(classes))
    )
    defects = {
        number: None
        for number in defects
        if truth.anns[number]['category_id'] in known
    }

    def found(file: str | Path) -> dict[int, Mapping[str, Any]]:
        results = load_detections(file)
        # All are checked, not the surest alone.
        evaluate(ann_file, results)
        counted = [box for box in results if box['category_id'] in known]
        surest = sorted(counted, key=lambda box: -box['score'])
        _, matched = matched_detections(ann_file, surest[: len(defects)])
        return {n: d for n, d in matched.items() if d and n in defects}

    first, second = found(before), found(after)

    def alone(own: dict, other: dict) -> list[Mapping[str, Any]]:
        boxes = [own[number] for number in own.keys() - other.keys()]
        return sorted(boxes, key=lambda box: -box['score'])

    return GainedDefects(
        truth,
        gained=alone(second, first),
        lost=alone(first, second),
        both=len(first.keys() & second.keys()),
        neither=len(defects) - len(first.keys() | second.keys()),
    )
