import numpy as np
import pytest

from mmdet_ddpm_moco.evaluation.judge import Detections

BOX = (10, 20, 20, 10)  # x, y, w, h


def made(*rows):
    """Detections of (x0, y0, x1, y1, score, label)."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


@pytest.mark.parametrize(
    'rows, found',
    [
        ([], False),
        ([(10, 20, 30, 30, 0.9, 1)], True),
        ([(10, 20, 30, 30, 0.9, 0)], False),  # another class
        ([(10, 20, 30, 30, 0.29, 1)], False),  # unsure
        ([(10, 20, 30, 30, 0.31, 1)], True),
        ([(10, 20, 21, 30, 0.9, 1)], True),  # half of it and a bit
        ([(10, 20, 19, 30, 0.9, 1)], False),
        ([(10, 20, 30, 39, 0.9, 1)], True),  # it and as much again
        ([(10, 20, 30, 41, 0.9, 1)], False),
        ([(50, 50, 70, 60, 0.9, 1)], False),
        # Each is good in one way, none in all.
        ([(10, 20, 30, 30, 0.1, 1), (50, 50, 70, 60, 0.9, 1)], False),
        ([(50, 50, 70, 60, 0.9, 1), (10, 20, 30, 30, 0.9, 1)], True),
    ],
)
def test_has(rows, found):
    assert made(*rows).has(BOX, 1) is found


def test_has_takes_its_thresholds():
    detections = made((10, 20, 24, 30, 0.5, 1))  # overlap 0.7
    assert detections.has(BOX, 1, iou=0.69, score=0.49)
    assert not detections.has(BOX, 1, iou=0.71)
    assert not detections.has(BOX, 1, score=0.51)


@pytest.mark.parametrize(
    'rows, found',
    [
        ([], False),
        ([(10, 20, 30, 30, 0.9, 0)], True),
        ([(12, 22, 15, 25, 0.9, 2)], True),  # a small one inside
        ([(28, 22, 34, 28, 0.9, 0)], False),  # a third inside
        ([(26, 22, 32, 28, 0.9, 0)], True),  # two thirds inside
        ([(0, 0, 200, 200, 0.9, 0)], False),  # over it and all else
        ([(10, 20, 30, 30, 0.2, 0)], False),
        ([(50, 50, 50, 50, 0.9, 0)], False),  # of no area
    ],
)
def test_has_any(rows, found):
    assert made(*rows).has_any(BOX) is found


@pytest.mark.parametrize('seed', range(20))
def test_a_high_iou_implies_a_high_share_of_the_detection(seed):
    rng = np.random.RandomState(seed)
    for _ in range(50):
        x, y, w, h = rng.uniform(0, 30, 4)
        detections = made((x, y, x + w, y + h, 1, 0))
        if detections.has(BOX, 0):
            assert detections.has_any(BOX)
