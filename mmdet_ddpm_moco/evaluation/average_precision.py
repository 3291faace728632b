"""COCO's average precision, of a test set and of resamples of its images.

A bootstrap over images (Efron, 1979) repeats only the fast half of the
metric: matches are kept, sorted, and an image drawn twice has the weight 2.
"""

from typing import Any

import numpy as np

from ..utils.checks import check_arguments
from .detection_matches import IOU_THRESHOLDS, ClassMatches, Matches

RECALLS = np.linspace(0, 1, 101)
# Resamples at a time. At 25 the sums of 5000 detections fit into a cache.
_BLOCK = 25


def average_precision(
    matches: Matches, weights: np.ndarray | None = None
) -> np.ndarray:
    """Computes COCO's 101-point interpolated average precision.

    Weights repeat images of the test set, copies side by side. There is one
    difference: detections of one image and class with equal scores stay
    beside their copies, so that equal weights change nothing.

    Args:
        matches (Matches): Of one detector.
        weights (np.ndarray, optional): How often each image counts, integer
            (images, ), at least 0. Defaults to None, once each.

    Returns:
        np.ndarray: In [0, 1], float64 (classes, 10), by IoU threshold
        .50:.05:.95. NaN for a class without boxes in the images that count.
    """
    if weights is None:
        weights = np.ones(len(matches.image_ids), dtype=np.int64)
    return _weighted(matches, weights[None])[0]


def average_recall(matches: Matches) -> np.ndarray:
    """Computes COCO's recall of at most 100 detections per image and class.

    Args:
        matches (Matches): Of one detector.

    Returns:
        np.ndarray: In [0, 1], float64 (classes, 10), by IoU threshold
        .50:.05:.95; its mean over them is COCO's average recall. NaN for a
        class without boxes.
    """
    rows = []
    for found in matches.classes:
        boxes = int(found.ground_truths.sum())
        right = found.true_positive.sum(axis=1)
        rows.append(right / boxes if boxes else np.full(right.shape, np.nan))
    return np.stack(rows)


def precision_recall(
    found: ClassMatches, threshold: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The curve that average precision is the mean of, for one class.

    Args:
        found (ClassMatches): With at least one box that counts.
        threshold (int): Index of the IoU threshold, in 0..9. Defaults to 0,
            an IoU of 0.5.

    Returns:
        tuple[np.ndarray, np.ndarray]: COCO's 101 recalls, and the highest
        precision at each of them or at a larger one, float64; 0 at recalls
        that are never reached. Both in [0, 1].
    """
    counted = ~found.ignored[threshold]
    right = np.cumsum(found.true_positive[threshold])
    precision = right / np.maximum(np.cumsum(counted), 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    recall = right / max(int(found.ground_truths.sum()), 1)
    places = np.searchsorted(recall, RECALLS)
    return RECALLS, np.append(envelope, 0.0)[places]


def resample_images(
    images: int, resamples: int = 200, seed: int = 0
) -> np.ndarray:
    """Draws images with replacement, as many as there are.

    Args:
        images (int): Number of images, at least 1.
        resamples (int): Number of draws, at least 1. A longer series starts
            with the shorter one. Defaults to 200.
        seed (int): Seed, at least 0. Defaults to 0.

    Returns:
        np.ndarray: How often each image was drawn, int64 (resamples,
        images), each row with sum ``images``.

    Raises:
        ValueError: ``resamples`` or ``images`` is below 1.
    """
    check_arguments(
        locals(),
        images=(images >= 1, 'at least 1'),
        resamples=(resamples >= 1, 'at least 1'),
    )
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = generator.integers(images, size=(resamples, images))
    drawn += images * np.arange(resamples)[:, None]  # one range per row
    counts = np.bincount(drawn.ravel(), minlength=resamples * images)
    return counts.reshape(resamples, images)


def bootstrap(
    matches: Matches, resamples: int = 200, seed: int = 0
) -> dict[str, np.ndarray]:
    """Scores a detector on resamples of the images.

    Two detectors scored on the same images get the same resamples, so their
    elementwise differences are paired; see :func:`resample_images`. Means
    are over classes with boxes, and NaN if a resample has no box at all.

    Returns:
        dict[str, np.ndarray]: ``AP`` and ``AP50`` in percent, float64
        (resamples, ) each.
    """
    weights = resample_images(len(matches.image_ids), resamples, seed)
    scores = np.concatenate(
        [
            _weighted(matches, weights[start : start + _BLOCK])
            for start in range(0, resamples, _BLOCK)
        ]
    )  # (resamples, classes, 10)
    return dict(
        AP=100 * _mean_over_classes(scores.mean(2)),
        AP50=100 * _mean_over_classes(scores[..., 0]),
    )


def summary(matches: Matches) -> dict[str, Any]:
    """Mean and per-class average precision of a detector.

    Returns:
        dict[str, Any]: ``AP``, ``AP50`` and ``AP75``, means over the classes
        that have boxes, and ``classes``, each with its ``AP`` and ``AP50``
        by name. Floats in percent; NaN without boxes.
    """
    scores = 100 * average_precision(matches)  # (classes, 10)
    return dict(
        AP=float(_mean_over_classes(scores.mean(1))),
        AP50=float(_mean_over_classes(scores[:, 0])),
        AP75=float(_mean_over_classes(scores[:, 5])),
        classes={
            found.name: dict(AP=float(row.mean()), AP50=float(row[0]))
            for found, row in zip(matches.classes, scores)
        },
    )


def _weighted(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """Average precision (B, classes, 10) for weights int64 (B, images)."""
    scores = [_weighted_class(found, weights) for found in matches.classes]
    return np.stack(scores, axis=1)


def _weighted_class(found: ClassMatches, weights: np.ndarray) -> np.ndarray:
    """Average precision (B, 10) for weights int64 (B, images).

    The curve is evaluated only after each true positive and all its copies:
    precision rises between them and falls after a false positive, so no
    other point is on the envelope.
    """
    boxes = weights @ found.ground_truths  # (B, )
    times = weights[:, found.image]  # (B, D)
    result = np.empty((len(weights), len(IOU_THRESHOLDS)))
    for t in range(len(IOU_THRESHOLDS)):
        hits = np.flatnonzero(found.true_positive[t])  # (P, )
        right = np.cumsum(times[:, hits], axis=1)  # (B, P)
        counted = np.cumsum(times * ~found.ignored[t], axis=1)[:, hits]
        precision = right / (counted + np.spacing(1))  # as COCOeval: 0/0 = 0
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        # Recalls that are never reached get the precision 0 at the end.
        envelope = np.pad(envelope, ((0, 0), (0, 1)))  # (B, P + 1)
        recall = right / np.maximum(boxes, 1)[:, None]
        places = [np.searchsorted(row, RECALLS) for row in recall]
        points = np.take_along_axis(envelope, np.stack(places), axis=1)
        result[:, t] = points.mean(1)
    result[boxes == 0] = np.nan
    return result


def _mean_over_classes(scores: np.ndarray) -> np.ndarray:
    """Mean (...) of (..., classes) without NaN; NaN if there is no other."""
    # Not nanmean, which warns where there are only NaN.
    return np.ma.filled(np.ma.masked_invalid(scores).mean(-1), np.nan)
