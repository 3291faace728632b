import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.evaluation.judge import Detections
from mmdet_ddpm_moco.teacher.fusion import flip_boxes, flip_image, fuse
from mmdet_ddpm_moco.teacher.settings import FLIPS


def detections(*rows):
    """From rows of x0, y0, x1, y1, score, label."""
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))


@pytest.mark.parametrize('flip', FLIPS)
def test_a_box_follows_its_pixels(flip):
    image = np.zeros((20, 30), np.uint8)
    image[3:8, 10:25] = 1
    ys, xs = np.nonzero(flip_image(image, flip))
    expected = [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]
    boxes = flip_boxes(np.array([[10, 3, 25, 8]]), flip, 20, 30)
    np.testing.assert_array_equal(boxes, expected)


@given(st.sampled_from(FLIPS), st.integers(0, 99))
def test_a_flip_undoes_itself(flip, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (7, 9, 3), np.uint8)
    low = rng.uniform(0, 5, (4, 2))
    boxes = np.hstack([low, low + rng.uniform(0.1, 2, (4, 2))])
    again = flip_image(flip_image(image, flip), flip)
    np.testing.assert_array_equal(again, image)
    again = flip_boxes(flip_boxes(boxes, flip, 7, 9), flip, 7, 9)
    np.testing.assert_allclose(again, boxes)


def test_views_that_agree_keep_box_and_score():
    views = [detections([10, 10, 50, 40, 0.8, 1])] * 3
    found = fuse(views, (100, 100))
    np.testing.assert_allclose(found.boxes, [[10, 10, 50, 40]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.8], atol=1e-6)
    assert found.labels.tolist() == [1]


def test_the_merged_box_is_the_mean_weighted_by_score():
    views = [
        detections([0, 0, 40, 40, 0.9, 0]),
        detections([4, 0, 44, 40, 0.3, 0]),
    ]
    found = fuse(views, (100, 100))
    np.testing.assert_allclose(found.boxes, [[1, 0, 41, 40]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.6], atol=1e-6)


def test_a_box_of_one_view_counts_less():
    lonely = fuse(
        [detections([0, 0, 40, 40, 0.9, 0]), detections(), detections()],
        (100, 100),
    )
    np.testing.assert_allclose(lonely.scores, [0.3], atol=1e-6)


def test_classes_are_not_merged():
    found = fuse(
        [
            detections([0, 0, 40, 40, 0.9, 0]),
            detections([0, 0, 40, 40, 0.9, 1]),
        ],
        (100, 100),
    )
    assert sorted(found.labels.tolist()) == [0, 1]
    # Each was found by one of two views.
    np.testing.assert_allclose(found.scores, [0.45, 0.45], atol=1e-6)


@pytest.mark.parametrize('views', [[], [detections()]], ids=['none', 'empty'])
def test_nothing_found_is_no_error(views):
    found = fuse([detections(), *views], (10, 20))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == found.labels.shape == (0,)


def test_weak_detections_are_left_out():
    found = fuse([detections([0, 0, 9, 9, 0.04, 0])], (10, 10))
    assert len(found.boxes) == 0


@given(st.integers(0, 199))
def test_boxes_stay_inside_and_scores_in_range(seed):
    rng = np.random.default_rng(seed)
    views = []
    for _ in range(rng.integers(1, 4)):
        n = rng.integers(0, 8)
        low = rng.uniform(-5, 60, (n, 2))
        high = low + rng.uniform(1, 50, (n, 2))
        rows = np.hstack(
            [
                low,
                high,
                rng.uniform(0, 1, (n, 1)),
                rng.integers(0, 3, (n, 1)),
            ]
        )
        views.append(detections(*rows))
    found = fuse(views, (80, 70))
    assert (found.boxes >= 0).all()
    assert (found.boxes <= np.array([70, 80, 70, 80]) + 1e-3).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert (np.diff(found.scores) <= 1e-6).all()
