"""Matching a detector's boxes with those of a test set, as COCOeval does.

It is the slow half of average precision; the fast half is repeated for every
resample of the images.
"""

import contextlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..utils.errors import InputError

# np.linspace and not decimals: COCOeval's comparisons, to the last bit.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100  # per image and class


@dataclass(frozen=True)
class ClassMatches:
    """What became of the D detections of one class, highest score first.

    Args:
        name (str): The class.
        scores (np.ndarray): float64 (D, ), descending. Equal scores are in
            the order of ``COCOeval``: by image, then as they were given.
        true_positive (np.ndarray): Whether a box was found that counts,
            bool (10, D), by IoU threshold .50:.05:.95.
        ignored (np.ndarray): Whether the detection counts neither as right
            nor as wrong (it found a crowd, say), bool (10, D).
        image (np.ndarray): Place of its image in ``Matches.image_ids``,
            int64 (D, ).
        ground_truths (np.ndarray): Boxes that count, int64 (images, ).
    """

    name: str
    scores: np.ndarray
    true_positive: np.ndarray
    ignored: np.ndarray
    image: np.ndarray
    ground_truths: np.ndarray


@dataclass(frozen=True)
class Matches:
    """What became of a detector's output on a test set.

    Args:
        image_ids (tuple): All images of the test set, in ascending order.
        classes (tuple[ClassMatches, ...]): In ascending order of their ids.
    """

    image_ids: tuple
    classes: tuple[ClassMatches, ...]


def match_detections(
    ann_file: str | Path, detections: str | Path | Sequence[Mapping[str, Any]]
) -> Matches:
    """Matches detections with the boxes of a test set, as ``COCOeval`` does.

    One of its traits comes along: it takes a box whose annotation has the
    id 0 for one that nobody found.

    Args:
        ann_file (str | Path): COCO annotations, json. Every image counts,
            also one without boxes or detections.
        detections (str | Path | Sequence[Mapping]): Results in COCO's
            format: ``image_id``, ``category_id``, ``bbox`` (x, y, width,
            height in pixels) and ``score``, or a json file of them. There
            may be none. They are not changed.

    Returns:
        Matches: Of at most 100 detections per image and class, the best.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is no such json, two categories share a name, or
            a detection is malformed or of an image or category that
            ``ann_file`` lacks.
    """
    truth = _load_truth(ann_file)
    detections = _load_detections(detections)
    for number, detection in enumerate(detections):
        _check_detection(number, detection, truth, ann_file)
    found = COCO()
    found.dataset = dict(
        images=truth.dataset['images'],
        categories=truth.dataset['categories'],
        annotations=[
            dict(
                id=number + 1,
                image_id=detection['image_id'],
                category_id=detection['category_id'],
                bbox=list(detection['bbox']),
                area=detection['bbox'][2] * detection['bbox'][3],
                score=detection['score'],
                iscrowd=0,
            )
            for number, detection in enumerate(detections)
        ],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        found.createIndex()
        evaluation = COCOeval(truth, found, 'bbox')
        evaluation.params.iouThrs = IOU_THRESHOLDS
        evaluation.params.maxDets = [MAX_DETECTIONS]
        # The first range is 'all'. The others are not read here.
        evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.params.areaRngLbl = ['all']
        evaluation.evaluate()
    image_ids = tuple(sorted(truth.imgs))
    pieces = evaluation.evalImgs  # class by class, image by image
    classes = tuple(
        _sort_class(
            truth.cats[category]['name'],
            pieces[k * len(image_ids) : (k + 1) * len(image_ids)],
        )
        for k, category in enumerate(sorted(truth.cats))
    )
    return Matches(image_ids, classes)


def _sort_class(name: str, pieces: Sequence[dict | None]) -> ClassMatches:
    """Joins what ``COCOeval`` found in each image; None is an empty one."""
    counts = np.zeros(len(pieces), dtype=np.int64)
    image = [np.empty(0, dtype=np.int64)]
    scores = [np.empty(0)]
    matched = [np.empty((len(IOU_THRESHOLDS), 0), dtype=bool)]
    ignored = matched[:]
    for index, piece in enumerate(pieces):
        if piece is None:
            continue
        counts[index] = np.count_nonzero(piece['gtIgnore'] == 0)
        image.append(np.full(len(piece['dtScores']), index))
        scores.append(np.asarray(piece['dtScores'], dtype=np.float64))
        matched.append(piece['dtMatches'] != 0)
        ignored.append(piece['dtIgnore'] != 0)
    score = np.concatenate(scores)
    order = np.argsort(-score, kind='stable')
    ignore = np.concatenate(ignored, axis=1)[:, order]
    match = np.concatenate(matched, axis=1)[:, order]
    places = np.concatenate(image)[order]
    return ClassMatches(
        name, score[order], match & ~ignore, ignore, places, counts
    )


def _load_truth(ann_file: str | Path) -> COCO:
    dataset = _load_json(ann_file)
    keys = ('images', 'annotations', 'categories')
    is_coco = isinstance(dataset, dict) and all(key in dataset for key in keys)
    if not is_coco or not (dataset['images'] and dataset['categories']):
        msg = (
            f'{ann_file} is no COCO annotation file: it needs images, '
            'annotations and categories'
        )
        raise InputError(msg)
    names = [category['name'] for category in dataset['categories']]
    if len(set(names)) < len(names):
        msg = f'{ann_file} has several categories of one name: {names}'
        raise InputError(msg)
    truth = COCO()
    truth.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def _load_detections(source: str | Path | Sequence) -> Sequence:
    if not isinstance(source, (str, Path)):
        return source
    detections = _load_json(source)
    if not isinstance(detections, list):
        msg = f'{source} holds no list of detections in the COCO format'
        raise InputError(msg)
    return detections


def _load_json(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        msg = f'{path} is no json file: {error}'
        raise InputError(msg) from error


def _check_detection(
    number: int, detection: Any, truth: COCO, ann_file: str | Path
) -> None:
    try:
        image, category = detection['image_id'], detection['category_id']
        numbers = [*detection['bbox'], detection['score']]
    except (TypeError, KeyError):
        numbers = []
    if len(numbers) != 5 or not all(map(_is_finite, numbers)):
        msg = (
            f'detection {number} needs image_id, category_id, a bbox of four '
            f'finite numbers and a score: got {detection}'
        )
        raise InputError(msg)
    if image not in truth.imgs:
        msg = (
            f'detection {number} is of image {image!r}, which {ann_file} '
            'lacks: use the detections made on this test set'
        )
        raise InputError(msg)
    if category not in truth.cats:
        msg = (
            f'detection {number} is of category {category!r}; {ann_file} has '
            f'{sorted(truth.cats)}'
        )
        raise InputError(msg)


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)
