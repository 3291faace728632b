import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.evaluation.detection_matches import (
    IOU_THRESHOLDS,
    ClassMatches,
    Matches,
)
from mmdet_ddpm_moco.teacher.calibration import (
    MIN_DETECTIONS,
    Calibration,
    calibrate,
    merged_probabilities,
)
from mmdet_ddpm_moco.teacher.fusion import FusedDetections


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


LINES = (
    Calibration('pit', (0.0, 1.0), (0.0, 0.8)),
    Calibration('rust', (0.0, 1.0), (0.5, 1.0)),
)


def fused(*rows):
    """From rows of score and label."""
    table = np.array(rows, np.float32).reshape(-1, 2)
    return FusedDetections(
        np.zeros((len(table), 4), np.float32),
        table[:, 0],
        table[:, 1].astype(np.int64),
    )


def test_ranks_of_merged_boxes_are_matched():
    # Two images; both teachers are surer than what is made of them.
    merged = [fused((0.3, 0), (0.2, 1)), fused((0.4, 0), (0.1, 0))]
    first = [fused((1.0, 0), (0.4, 1)), fused((0.5, 0))]
    second = [fused((0.75, 0)), fused((0.25, 0), (0.25, 0))]
    likely = merged_probabilities(merged, [first, second], LINES)
    # Surest pits: (0.8 + 0.6) / 2, (0.4 + 0.2) / 2, (0 + 0.2) / 2. Of rust
    # the second teacher saw nothing.
    np.testing.assert_allclose(likely[0], [0.3, 0.35])
    np.testing.assert_allclose(likely[1], [0.7, 0.1])


def test_one_teacher_keeps_its_probabilities():
    rng = np.random.default_rng(0)
    images = [
        fused(*zip(rng.uniform(0, 1, n), rng.integers(0, 2, n), strict=True))
        for n in (5, 0, 9)
    ]
    likely = merged_probabilities(images, [images], LINES)
    for found, own in zip(images, likely, strict=True):
        expected = [
            LINES[label]([score])[0]
            for score, label in zip(found.scores, found.labels, strict=True)
        ]
        np.testing.assert_allclose(own, expected)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_as_many_are_expected_as_teachers_expect(seed):
    rng = np.random.default_rng(seed)

    def drawn(most):
        sizes = rng.integers(0, most, 4)
        return [
            fused(
                *zip(rng.uniform(0, 1, n), rng.integers(0, 2, n), strict=True)
            )
            for n in sizes
        ]

    singles = [drawn(5) for _ in range(3)]
    # At least as many boxes as each teacher has.
    merged = [
        fused(
            *rng.permutation(
                [(0.5 * s, k) for s in rng.uniform(0, 1, 9) for k in (0, 1)]
            )
        )
        for _ in range(4)
    ]
    likely = merged_probabilities(merged, singles, LINES)
    expected = np.mean(
        [
            sum(
                LINES[label]([score])[0]
                for found in images
                for score, label in zip(
                    found.scores, found.labels, strict=True
                )
            )
            for images in singles
        ]
    )
    assert sum(map(np.sum, likely)) == pytest.approx(expected)
    # A surer box of a class is not less likely.
    scores = np.concatenate([found.scores for found in merged])
    labels = np.concatenate([found.labels for found in merged])
    probabilities = np.concatenate(likely)
    for label in (0, 1):
        order = np.argsort(scores[labels == label], kind='stable')
        rising = probabilities[labels == label][order]
        assert (np.diff(rising) >= -1e-12).all()
