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
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..utils.errors import InputError, MissingFileError

# np.linspace and not decimals: COCOeval's comparisons, to the last bit.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100  # per image and class


@dataclass(frozen=True)
class ClassMatches:
    """The D detections of one class, highest score first.

    Equal scores are in the order of ``COCOeval``: by image, then as they
    were given.
    """

    name: str
    scores: np.ndarray  # float64 (D, ), descending
    # Whether a box was matched that counts, bool (10, D), by IoU threshold
    # .50:.05:.95.
    true_positive: np.ndarray
    # Whether it counts neither as true nor as false positive (it matched a
    # crowd, say), bool (10, D).
    ignored: np.ndarray
    image: np.ndarray  # index in Matches.image_ids, int64 (D, )
    ground_truths: np.ndarray  # boxes that count, int64 (images, )


@dataclass(frozen=True)
class Matches:
    """The detections of a detector on a test set, matched with its boxes."""

    image_ids: tuple  # of all images, in ascending order
    classes: tuple[ClassMatches, ...]  # in ascending order of their ids


def match_detections(
    ann_file: str | Path | Mapping[str, Any],
    detections: str | Path | Sequence[Mapping[str, Any]],
    iou_type: str = 'bbox',
    by_class: bool = True,
) -> Matches:
    """Matches detections with the boxes of a test set, by ``COCOeval``.

    One of its quirks remains: a box whose annotation has the id 0 is never
    matched.

    Args:
        ann_file (str | Path | Mapping): COCO annotations, or a json file of
            them. Every image counts, also one without boxes or detections.
        detections (str | Path | Sequence[Mapping]): Results in COCO's
            format: ``image_id``, ``category_id``, ``bbox`` (x, y, width,
            height in pixels) and ``score``, or a json file of them. There
            may be none. They are not changed.
        iou_type (str): ``bbox`` compares boxes, ``segm`` masks: annotations
            and detections then need a ``segmentation``. Defaults to 'bbox'.
        by_class (bool): If False, boxes match whatever their classes, which
            count as a single one, ``any class``. Defaults to True.

    Returns:
        Matches: Of at most 100 detections per image and class, the best.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is no such json, two categories share a name, or
            a detection is malformed or of an image or category that
            ``ann_file`` lacks.
    """
    truth, evaluation = evaluate(
        ann_file, detections, iou_type=iou_type, by_class=by_class
    )
    names = [truth.cats[category]['name'] for category in sorted(truth.cats)]
    image_ids = tuple(sorted(truth.imgs))
    # Class by class, image by image; None for an image without boxes.
    found_in = np.array(evaluation.evalImgs, object).reshape(
        -1, len(image_ids)
    )
    return Matches(
        image_ids,
        tuple(
            _join(name, images)
            for name, images in zip(
                names if by_class else ['any class'], found_in.tolist()
            )
        ),
    )


def evaluate(
    ann_file: str | Path | Mapping[str, Any],
    detections: str | Path | Sequence[Mapping[str, Any]],
    *,
    iou_type: str = 'bbox',
    iou_thresholds: np.ndarray = IOU_THRESHOLDS,
    by_class: bool = True,
) -> tuple[COCO, COCOeval]:
    """The matching half of ``COCOeval``, of at most 100 detections.

    Args:
        ann_file (str | Path | Mapping): See :func:`match_detections`.
        detections (str | Path | Sequence[Mapping]): Likewise.
        iou_type (str): Likewise.
        iou_thresholds (np.ndarray): In (0, 1]. Defaults to COCO's ten.
        by_class (bool): Match boxes of one class only; if False, whatever
            their classes. Defaults to True.

    Returns:
        tuple[COCO, COCOeval]: The truth, and the evaluation with its
        ``evalImgs``.

    Raises:
        FileNotFoundError: See :func:`match_detections`.
        ValueError: Likewise.
    """
    # pycocotools prints how long it took.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _load_truth(ann_file)
        source = 'the truth' if isinstance(ann_file, Mapping) else ann_file
        # Not COCO.loadRes, which changes what it is given and fails on no
        # detections at all.
        annotations = [
            _annotation(number, detection, truth, source)
            for number, detection in enumerate(load_detections(detections))
        ]
        found = _index(dict(truth.dataset, annotations=annotations))
        evaluation = COCOeval(truth, found, iou_type)
        evaluation.params.iouThrs = iou_thresholds
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.params.useCats = int(by_class)
        # The first range is 'all'. The others are not used here.
        evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.params.areaRngLbl = ['all']
        evaluation.evaluate()
    return truth, evaluation


def matched_detections(
    ann_file: str | Path, results: Sequence[Mapping[str, Any]]
) -> tuple[COCO, dict[int, Mapping[str, Any] | None]]:
    """The detection that is matched with each box (class, IoU of 0.5).

    Args:
        ann_file (str | Path): See :func:`match_detections`.
        results (Sequence[Mapping]): COCO results.

    Returns:
        tuple[COCO, dict]: The truth, and by annotation id the detection,
        None without one. Crowd regions are left out.

    Raises:
        FileNotFoundError: See :func:`match_detections`.
        ValueError: Likewise.
    """
    truth, evaluation = evaluate(
        ann_file, results, iou_thresholds=np.array([0.5])
    )
    return truth, {
        # COCOeval knows a detection by its place in the list, from 1.
        number: results[int(match) - 1] if match else None
        for image in filter(None, evaluation.evalImgs)
        for number, ignored, match in zip(
            image['gtIds'], image['gtIgnore'], image['gtMatches'][0]
        )
        if not ignored
    }


def _join(name: str, images: Sequence[dict | None]) -> ClassMatches:
    """Joins what ``COCOeval`` found of one class in each image."""
    ground_truths = np.zeros(len(images), dtype=np.int64)
    # One empty array each, for a class without detections.
    index: list[np.ndarray] = [np.zeros(0, np.int64)]
    scores: list[np.ndarray] = [np.zeros(0)]
    matched = [np.zeros((len(IOU_THRESHOLDS), 0), bool)]
    ignored = matched[:]
    for i, found in enumerate(images):
        if found is None:
            continue
        ground_truths[i] = np.count_nonzero(found['gtIgnore'] == 0)
        index.append(np.full(len(found['dtScores']), i))
        scores.append(np.array(found['dtScores'], np.float64))
        matched.append(found['dtMatches'] != 0)
        ignored.append(found['dtIgnore'] != 0)
    score = np.concatenate(scores)
    order = np.argsort(-score, kind='stable')
    ignore = np.concatenate(ignored, axis=1)[:, order]
    match = np.concatenate(matched, axis=1)[:, order]
    return ClassMatches(
        name,
        score[order],
        match & ~ignore,
        ignore,
        np.concatenate(index)[order],
        ground_truths,
    )


def _index(dataset: dict) -> COCO:
    """A COCO data set from memory."""
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _load_truth(ann_file: str | Path | Mapping[str, Any]) -> COCO:
    if isinstance(ann_file, Mapping):
        dataset, ann_file = dict(ann_file), 'the truth'
    else:
        dataset = _load_json(ann_file)
    keys = ('images', 'annotations', 'categories')
    is_coco = isinstance(dataset, dict) and all(key in dataset for key in keys)
    if not is_coco or not (dataset['images'] and dataset['categories']):
        msg = f'{ann_file} is no COCO annotation file with {", ".join(keys)}'
        raise InputError(msg)
    names = [category['name'] for category in dataset['categories']]
    if len(set(names)) < len(names):
        msg = f'{ann_file} has several categories of one name: {names}'
        raise InputError(msg)
    # mmdet trains without it, COCOeval does not match without it.
    boxes = [dict(iscrowd=0) | box for box in dataset['annotations']]
    return _index(dict(dataset, annotations=boxes))


def load_detections(
    source: str | Path | Sequence[Mapping[str, Any]],
) -> Sequence[Mapping[str, Any]]:
    """Reads COCO results, unless they are given as such.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no list.
    """
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
    except FileNotFoundError as error:
        msg = f'there is no {path}'
        raise MissingFileError(msg) from error
    except ValueError as error:
        msg = f'{path} is no json file: {error}'
        raise InputError(msg) from error


def _annotation(
    number: int, detection: Any, truth: COCO, ann_file: str | Path
) -> dict[str, Any]:
    """A detection as an annotation of ``COCOeval``, checked."""
    try:
        image, category = detection['image_id'], detection['category_id']
        bbox, score = list(detection['bbox']), detection['score']
        valid = len(bbox) == 4 and all(map(math.isfinite, [*bbox, score]))
    except (TypeError, KeyError):
        valid = False
    if not valid:
        msg = (
            f'detection {number} needs image_id, category_id, a bbox of four '
            f'finite numbers and a score: got {detection}'
        )
        raise InputError(msg)
    for name, value, known in (
        ('image', image, truth.imgs),
        ('category', category, truth.cats),
    ):
        if value not in known:
            msg = (
                f'detection {number} is of {name} {value!r}, which '
                f'{ann_file} lacks: use detections made on this test set'
            )
            raise InputError(msg)
    found = dict(
        id=number + 1,
        image_id=image,
        category_id=category,
        bbox=bbox,
        area=bbox[2] * bbox[3],
        score=score,
        iscrowd=0,
    )
    if 'segmentation' in detection:
        # COCOeval replaces it by the compressed mask.
        found['segmentation'] = detection['segmentation']
    return found
