import numpy as np
import pytest

from mmdet_ddpm_moco.evaluation.detection_matches import (
    IOU_THRESHOLDS,
    ClassMatches,
    Matches,
)
from mmdet_ddpm_moco.teacher.thresholds import calibrate


def matches(scores, right, truths, ignored=None):
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
                np.array([truths]),
            ),
        ),
    )


def drawn(seed, number=400):
    """Scores that are as often right as they say."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0, 1, number)
    return scores, rng.uniform(0, 1, number) < scores


@pytest.mark.parametrize('precision', [0.5, 0.7, 0.9])
@pytest.mark.parametrize('seed', range(3))
def test_the_lowest_score_with_the_precision_asked_for(precision, seed):
    scores, right = drawn(seed)
    (found,) = calibrate(matches(scores, right, right.sum()), precision)
    kept = scores >= found.high
    assert right[kept].mean() >= precision
    assert found.precision == pytest.approx(right[kept].mean())
    assert found.recall == pytest.approx(right[kept].sum() / right.sum())
    # By brute force: no lower score has it.
    for score in scores[scores < found.high]:
        assert right[scores >= score].mean() < precision


def test_a_class_that_is_never_precise_keeps_its_best_boxes():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 300)
    right = rng.uniform(0, 1, 300) < 0.4 * scores
    (found,) = calibrate(matches(scores, right, 80), precision=0.95)

    def f_half(score):
        kept = scores >= score
        p, r = right[kept].mean(), right[kept].sum() / 80
        return 1.25 * p * r / (0.25 * p + r) if p + r else 0

    assert found.precision < 0.95
    assert f_half(found.high) == pytest.approx(max(map(f_half, scores)))


def test_between_the_thresholds_boxes_are_right_now_and_then():
    scores, right = drawn(1, 4000)
    (found,) = calibrate(matches(scores, right, 9000), 0.8, 0.2)
    assert found.low < found.high
    # Where a score says how often it is right, the border is that score.
    assert found.low == pytest.approx(0.2, abs=0.08)
    between = (scores < found.high) & (scores >= found.low)
    assert found.recall_ignored == pytest.approx(right[between].sum() / 9000)


def test_low_is_never_above_high():
    scores, right = drawn(2)
    (found,) = calibrate(matches(scores, right, 10), 0.7, 0.7)
    assert found.low <= found.high


def test_ties_are_kept_or_left_together():
    scores = np.repeat([0.9, 0.5], [20, 40])
    right = np.array([True] * 20 + [True, False] * 20)
    (found,) = calibrate(matches(scores, right, 60), 0.9)
    assert found.high == 0.9
    assert found.precision == 1


def test_detections_that_count_neither_way_do_not():
    scores, right = np.full(40, 0.5), np.ones(40, bool)
    ignored = np.arange(40) % 2 == 0
    right &= ~ignored
    (found,) = calibrate(matches(scores, right, 40, ignored), 0.9)
    assert found.precision == 1


@pytest.mark.parametrize('number, truths', [(5, 5), (50, 0)])
def test_of_an_unknown_class_nothing_is_kept(number, truths):
    scores = np.linspace(0.1, 0.99, number)
    (found,) = calibrate(matches(scores, np.zeros(number), truths))
    assert min(found.high, found.low) > 1


def test_a_class_that_is_hardly_ever_right_is_left_out():
    scores = np.linspace(0, 1, 200)
    right = np.arange(200) % 20 == 0
    (found,) = calibrate(matches(scores, right, 50), 0.7, 0.2)
    assert min(found.high, found.low) > 1


@pytest.mark.parametrize('given', [(0, 0), (1.2, 0.1), (0.5, 0.6), (0.5, -1)])
def test_arguments_out_of_range(given):
    with pytest.raises(ValueError, match='precision must be'):
        calibrate(matches([], [], 0), *given)
