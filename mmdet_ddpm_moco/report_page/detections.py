"""The best and the worst of a detector, cut out of their images."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..engine.submission import RESULTS
from ..evaluation.detection_matches import evaluate
from .blocks import Block, Note
from .pictures import embed

CELL, GAP, COLUMNS = 168, 4, 8  # pixels, pixels, cells in a row
_PAPER = (245, 245, 245)
# BGR: what is true, and what was detected.
_TRUE, _FOUND = (60, 160, 30), (0, 110, 255)


def best_and_worst(folder: Path, record: dict[str, Any]) -> list[Block]:
    """Three rows: surest right ones, surest wrong ones, largest missed ones.

    Args:
        folder (Path): Of a submission.
        record (dict): Its ``submission.json``.

    Returns:
        list[Block]: The picture, or why there is none.
    """
    list_file = Path(record['data']['source'])
    prefix = Path(record['data']['images_prefix'])
    if not list_file.is_file():
        return [Note(f'No pictures of detections: no list at {list_file}.')]
    names = {c: n for n, c in record['classes'].items()}
    results = json.loads((folder / RESULTS).read_bytes())
    truth, evaluation = evaluate(
        list_file, results, iou_thresholds=np.array([0.5])
    )
    right: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = []
    missed: list[dict[str, Any]] = []
    for found in filter(None, evaluation.evalImgs):
        for number, match, ignored in zip(
            found['dtIds'], found['dtMatches'][0], found['dtIgnore'][0]
        ):
            if not ignored:
                # COCOeval knows them by their place in the list, from 1.
                (right if match else wrong).append(results[number - 1])
        for number, match, ignored in zip(
            found['gtIds'], found['gtMatches'][0], found['gtIgnore']
        ):
            if not (match or ignored):
                missed.append(truth.anns[number])
    right.sort(key=lambda found: -found['score'])
    wrong.sort(key=lambda found: -found['score'])
    missed.sort(key=lambda box: -box['bbox'][2] * box['bbox'][3])
    rows = [
        [
            _cell(one, truth, prefix, names, detected=detected)
            for one in chosen[:COLUMNS]
        ]
        for chosen, detected in ((right, True), (wrong, True), (missed, False))
    ]
    caption = (
        'Rows: the surest right detections, the surest wrong ones, the '
        'largest boxes that none was right about. True boxes are green, the '
        'detection orange, with its score.'
    )
    return [embed(_grid(rows), caption)]


def _grid(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    step = CELL + GAP
    size = (len(rows) * step + GAP, COLUMNS * step + GAP, 3)
    grid = np.full(size, _PAPER, np.uint8)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            top, left = GAP + i * step, GAP + j * step
            grid[top : top + CELL, left : left + CELL] = cell
    return grid


def _cell(
    one: dict[str, Any],
    truth: Any,
    prefix: Path,
    names: dict[Any, str],
    *,
    detected: bool,
) -> np.ndarray:
    """Cuts a box out, with as much around it, into a square cell."""
    cell = np.full((CELL, CELL, 3), _PAPER, np.uint8)
    image = truth.imgs[one['image_id']]
    pixels = cv2.imread(str(prefix / image['file_name']), cv2.IMREAD_COLOR)
    if pixels is None:
        return cell
    x, y, w, h = one['bbox']
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
        (box['bbox'], _TRUE)
        for box in truth.imgToAnns.get(one['image_id'], ())
    ]
    if detected:
        boxes.append((one['bbox'], _FOUND))
    for (bx, by, bw, bh), color in boxes:
        first = (round((bx - left) * scale), round((by - top) * scale))
        last = (
            round((bx + bw - left) * scale) - 1,
            round((by + bh - top) * scale) - 1,
        )
        cv2.rectangle(cell, first, last, color, 1)
    # OpenCV's font has ASCII alone.
    name = names.get(one['category_id'], str(one['category_id']))
    text = name.encode('ascii', 'replace').decode()[:18]
    if detected:
        text += f' {one["score"]:.2f}'
    cv2.rectangle(cell, (0, CELL - 16), (CELL, CELL), _PAPER, -1)
    font = cv2.FONT_HERSHEY_SIMPLEX
    place, ink = (3, CELL - 4), (40, 40, 40)
    cv2.putText(cell, text, place, font, 0.4, ink, 1, cv2.LINE_AA)
    return cell
