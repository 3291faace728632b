"""Boxes cut out of their images, as rows of square cells."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools.coco import COCO

CELL, GAP, COLUMNS = 168, 4, 8  # pixels, pixels, cells in a row
_LINE = 16  # pixels
_PAPER = (245, 245, 245)
# BGR: what is true, and what was detected.
_TRUE, _FOUND = (60, 160, 30), (0, 110, 255)


def grid(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Puts rows of cells below each other.

    Args:
        rows (Sequence[Sequence[np.ndarray]]): Up to ``COLUMNS`` cells each,
            BGR uint8 (CELL, CELL, 3).

    Returns:
        np.ndarray: BGR uint8 (H, W, 3).
    """
    step = CELL + GAP
    size = (len(rows) * step + GAP, COLUMNS * step + GAP, 3)
    picture = np.full(size, _PAPER, np.uint8)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            top, left = GAP + i * step, GAP + j * step
            picture[top : top + CELL, left : left + CELL] = cell
    return picture


def box_cell(
    box: Mapping[str, Any],
    truth: COCO,
    prefix: Path,
    names: Mapping[Any, str],
    *,
    detected: bool,
) -> np.ndarray:
    """Cuts a box out of its image, with as much around it.

    True boxes are green; the box itself, if it was detected, orange.

    Args:
        box (Mapping): A COCO annotation, or a detection.
        truth (COCO): The annotated images.
        prefix (Path): Folder that their file names start from.
        names (Mapping): Of the classes, by category id.
        detected (bool): Whether it is a detection, drawn with its score.

    Returns:
        np.ndarray: BGR uint8 (CELL, CELL, 3), blank without the image.
    """
    cell = np.full((CELL, CELL, 3), _PAPER, np.uint8)
    image = truth.imgs[box['image_id']]
    pixels = cv2.imread(str(prefix / image['file_name']), cv2.IMREAD_COLOR)
    if pixels is None:
        return cell
    x, y, w, h = box['bbox']
    side = max(32.0, 2 * w, 2 * h)
    height, width = pixels.shape[:2]
    left, top = (
        round(max(0.0, min(middle - side / 2, size - side)))
        for middle, size in ((x + w / 2, width), (y + h / 2, height))
    )
    part = pixels[top : top + round(side), left : left + round(side)]
    if not part.size:
        return cell
    scale = CELL / max(part.shape[:2])
    size = [max(1, min(CELL, round(s * scale))) for s in part.shape[:2]]
    cell[: size[0], : size[1]] = cv2.resize(
        part, size[::-1], interpolation=cv2.INTER_LINEAR
    )
    boxes = [
        (true['bbox'], _TRUE)
        for true in truth.imgToAnns.get(box['image_id'], ())
    ]
    if detected:
        boxes.append((box['bbox'], _FOUND))
    for (bx, by, bw, bh), color in boxes:
        first = (round((bx - left) * scale), round((by - top) * scale))
        last = (
            round((bx + bw - left) * scale) - 1,
            round((by + bh - top) * scale) - 1,
        )
        cv2.rectangle(cell, first, last, color, 1)
    text = names.get(box['category_id'], str(box['category_id']))[:18]
    if detected:
        text += f' {box["score"]:.2f}'
    cell[-_LINE:] = heading(text, CELL)
    return cell


def heading(text: str, width: int) -> np.ndarray:
    """A line of text on paper.

    Args:
        text (str): What is not ASCII becomes a question mark, since OpenCV's
            font has nothing else.
        width (int): In pixels.

    Returns:
        np.ndarray: BGR uint8 (16, width, 3).
    """
    line = np.full((_LINE, width, 3), _PAPER, np.uint8)
    text = text.encode('ascii', 'replace').decode()
    font, ink = cv2.FONT_HERSHEY_SIMPLEX, (40, 40, 40)
    cv2.putText(line, text, (3, _LINE - 4), font, 0.4, ink, 1, cv2.LINE_AA)
    return line
