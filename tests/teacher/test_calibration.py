import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.evaluation.detection_matches import (
    IOU_THRESHOLDS,
    ClassMatches,
    Matches,
)
from mmdet_ddpm_moco.teacher.calibration import MIN_DETECTIONS, calibrate


def matches(scores, right, ignored=None):
    scores, right = np.asarray(scores, float), np.asarray(right, bool)
    order = np.argsort(-scores, kind='stable')
    ignored = np.zeros(len(scores), bool) if ignored is None else ignored
    rows = len(IOU_THRESHOLDS)
    return Matches(
        (1,),
        (
            ClassMatches(
                'pit',
                scores[order],
                np.tile(right[order], (rows, 1)),
                np.tile(np.asarray(ignored)[order], (rows, 1)),
                np.zeros(len(scores), np.int64),
                np.array([right.sum()]),
            ),
        ),
    )


@pytest.mark.parametrize(
    'truth', [lambda s: s, lambda s: s**3, lambda s: 0.3 + 0 * s]
)
def test_it_finds_how_often_boxes_are_right(truth):
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 5000)
    right = rng.uniform(0, 1, 5000) < truth(scores)
    (pit,) = calibrate(matches(scores, right))
    assert pit.name == 'pit'
    asked = np.linspace(0.05, 0.95, 19)
    # The ends of a line of steps are known least.
    assert np.abs(pit(asked) - truth(asked)).mean() < 0.03


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.booleans()),
        min_size=MIN_DETECTIONS,
        max_size=60,
    )
)
def test_it_is_a_rising_probability(rows):
    scores, right = np.array(rows, float).T
    (pit,) = calibrate(matches(scores, right))
    found = pit(np.linspace(0, 1, 101))
    assert (np.diff(found) >= 0).all()
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_steps_by_brute_force():
    # Two of three right above 0.5, one of eight below: two steps.
    scores = [0.9, 0.8, 0.7, *np.linspace(0.4, 0.1, 8)]
    right = [0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    (pit,) = calibrate(matches(scores, right))
    # 0, 1, 1, 1 is pooled to 3/4; their middle is 0.7.
    assert pit([0.9])[0] == pytest.approx(3 / 4)
    assert pit([0.7])[0] == pytest.approx(3 / 4)
    low = np.mean(np.linspace(0.4, 0.1, 8)[1:])
    assert pit([low, 0.05]).tolist() == [0, 0]
    # On the line between both middles.
    assert pit([(0.7 + low) / 2])[0] == pytest.approx(3 / 8)


def test_detections_that_count_neither_way_do_not():
    ignored = np.arange(40) % 2 == 0
    (pit,) = calibrate(matches(np.full(40, 0.5), ~ignored, ignored))
    assert pit([0.5]).tolist() == [1]


def test_of_an_unknown_class_no_box_counts():
    few = MIN_DETECTIONS - 1
    (pit,) = calibrate(matches(np.full(few, 0.9), np.ones(few)))
    assert pit([0.1, 0.99]).tolist() == [0, 0]
