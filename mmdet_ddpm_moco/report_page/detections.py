"""The best and the worst of a detector, cut out of their images."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.submission import RESULTS
from ..evaluation.detection_matches import evaluate
from ..utils.coco_annotations import complete_annotations
from ..visualization.box_cells import COLUMNS, box_cell, grid
from .blocks import Block, Note, Picture
from .pictures import embed


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
    try:
        return [_picture(folder, list_file, prefix, record['classes'])]
    except Exception as error:
        # What was measured is shown without it.
        what = f'{type(error).__name__}: {error}'
        return [Note(f'No pictures of detections: {what}')]


def _picture(
    folder: Path, list_file: Path, prefix: Path, classes: dict[str, Any]
) -> Picture:
    names = {c: n for n, c in classes.items()}
    results = json.loads((folder / RESULTS).read_bytes())
    coco = json.loads(list_file.read_bytes())
    # The truth that the submission was measured on.
    boxes = [
        box
        for box in complete_annotations(coco['annotations'], list_file)
        if box['category_id'] in names
    ]
    categories = [dict(id=c, name=n) for c, n in names.items()]
    truth, evaluation = evaluate(
        dict(coco, annotations=boxes, categories=categories),
        results,
        iou_thresholds=np.array([0.5]),
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
            box_cell(one, truth, prefix, names, detected=detected)
            for one in chosen[:COLUMNS]
        ]
        for chosen, detected in ((right, True), (wrong, True), (missed, False))
    ]
    caption = (
        'Rows: the surest right detections, the surest wrong ones, the '
        'largest boxes that none was right about. True boxes are green, the '
        'detection orange, with its score.'
    )
    return embed(grid(rows), caption)
