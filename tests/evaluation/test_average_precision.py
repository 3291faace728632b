"""Against COCOeval itself, on test sets whose images really are repeated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.made_test_sets import (
    CLASSES,
    assert_same,
    one_class,
    random_test_set,
    repeat_images,
    write,
)
from mmdet_ddpm_moco.evaluation.average_precision import (
    average_precision,
    average_recall,
    bootstrap,
    precision_recall,
    resample_images,
    summary,
)
from mmdet_ddpm_moco.evaluation.detection_matches import match_detections


def reference(ann_file, result_file):
    """COCOeval with its own settings: AP (classes, 10) and its statistics."""
    truth = COCO(str(ann_file))
    evaluation = COCOeval(truth, truth.loadRes(str(result_file)), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    # (thresholds, recalls, classes), area `all`, 100 detections
    precision = evaluation.eval['precision'][:, :, :, 0, 2]
    scores = precision.mean(1).T
    scores[(precision == -1).any((0, 1))] = np.nan
    return scores, evaluation.stats


@pytest.mark.parametrize('ties', ['none', 'images', 'all'])
@pytest.mark.parametrize('seed', range(5))
def test_unweighted_it_equals_coco_eval(tmp_path, seed, ties):
    files = write(tmp_path, *random_test_set(seed, ties))
    expected, stats = reference(*files)
    matches = match_detections(*files)
    found = average_precision(matches)
    assert matches.image_ids == tuple(range(3, 143, 10))
    assert [entry.name for entry in matches.classes] == CLASSES
    assert_same(found, expected)
    assert np.isnan(found[0]).all()
    assert (found[1] == 0).all()
    assert found[2:].min() < 0.3
    assert found[2:].max() > 0.3
    result = summary(matches)
    assert_same(
        [result['AP'], result['AP50'], result['AP75']], 100 * stats[:3], 1e-10
    )
    for name, row in zip(CLASSES, 100 * expected):
        scores = result['classes'][name]
        assert_same([scores['AP'], scores['AP50']], [row.mean(), row[0]])


@pytest.mark.parametrize('seed', range(5))
def test_recall_and_curves_equal_those_of_coco_eval(tmp_path, seed):
    files = write(tmp_path, *random_test_set(seed))
    truth = COCO(str(files[0]))
    evaluation = COCOeval(truth, truth.loadRes(str(files[1])), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    matches = match_detections(*files)
    # (thresholds, classes), area `all`, 100 detections; -1 without boxes
    expected = evaluation.eval['recall'][:, :, 0, 2].T
    expected[expected == -1] = np.nan
    assert_same(average_recall(matches), expected)
    for index, found in enumerate(matches.classes):
        if not found.ground_truths.sum():
            continue
        for threshold in (0, 5):
            recall, precision = precision_recall(found, threshold)
            assert_same(recall, evaluation.params.recThrs)
            curve = evaluation.eval['precision'][threshold, :, index, 0, 2]
            assert_same(precision, curve)


@pytest.mark.parametrize('ties', ['none', 'images'])
@pytest.mark.parametrize('seed', range(5))
def test_weighted_it_equals_coco_eval_of_repeated_images(tmp_path, seed, ties):
    truth, detections = random_test_set(seed, ties)
    matches = match_detections(*write(tmp_path, truth, detections))
    rng = np.random.default_rng(seed + 100)
    for number in range(3):
        weights = rng.integers(0, 4, len(truth['images']))
        repeated = repeat_images(truth, detections, weights)
        expected, _ = reference(*write(tmp_path, *repeated, f'{number}'))
        assert_same(average_precision(matches, weights), expected)


@pytest.mark.parametrize('seed', range(5))
def test_ties_within_an_image_make_a_small_difference(tmp_path, seed):
    truth, detections = random_test_set(seed, 'all', images=60)
    matches = match_detections(*write(tmp_path, truth, detections))
    weights = np.random.default_rng(seed).integers(0, 3, 60)
    repeated = repeat_images(truth, detections, weights)
    expected, _ = reference(*write(tmp_path, *repeated, 'repeated'))
    found = average_precision(matches, weights)
    assert_same(found, expected, 0.01)
    # Were the weights not used, the difference would be a large one.
    assert np.nanmax(abs(average_precision(matches) - expected)) > 0.03


def test_ties_within_an_image_by_hand(tmp_path):
    # A wrong and a right detection with equal scores, of an image that
    # counts twice: wrong, wrong, right, right and not COCOeval's wrong,
    # right, wrong, right. Either way the precision is 1/2 at last; it is
    # 1/2 at first as well if it never was higher.
    truth, detections = one_class([1], [[0.9, 0.9]], right=[[False, True]])
    matches = match_detections(*write(tmp_path, truth, detections))
    assert_same(average_precision(matches, np.array([2]))[0, 0], 0.5)
    # right, right, wrong, wrong, where COCOeval has right, wrong, right,
    # wrong: precision 1 up to recall 1/2 and 2/3 behind.
    truth, detections = one_class([1], [[0.9, 0.9]], right=[[True, False]])
    matches = match_detections(*write(tmp_path, truth, detections))
    assert_same(average_precision(matches, np.array([2]))[0, 0], 1)
    repeated = write(tmp_path, *repeat_images(truth, detections, [2]), 'two')
    assert_same(reference(*repeated)[0][0, 0], (51 + 50 * 2 / 3) / 101)


def test_a_curve_by_hand(tmp_path):
    # Ranked: right, wrong, right, and one of three boxes is never found.
    # Precision 1 up to recall 1/3 (34 of the 101 points), 2/3 up to recall
    # 2/3 (33 more), then 0.
    truth, detections = one_class(
        [2, 1], [[0.9, 0.8], [0.7]], [[True, False], [True]]
    )
    matches = match_detections(*write(tmp_path, truth, detections))
    (found,) = average_precision(matches)
    assert_same(found, np.full(10, (34 + 33 * 2 / 3) / 101))
    # The first image alone: one of two boxes, at once.
    (found,) = average_precision(matches, np.array([1, 0]))
    assert_same(found, np.full(10, 51 / 101))
    # The second alone is perfect; without any image there is no score.
    (found,) = average_precision(matches, np.array([0, 5]))
    assert_same(found, np.ones(10))
    assert np.isnan(average_precision(matches, np.array([0, 0]))).all()


def test_a_class_of_images_left_out_has_no_score(tmp_path):
    truth, detections = one_class([1, 1], [[0.9], [0.8]], [[True], [True]])
    truth['categories'].append(dict(id=2, name='rust'))
    truth['annotations'][1]['category_id'] = 2
    matches = match_detections(*write(tmp_path, truth, detections))
    found = average_precision(matches, np.array([3, 0]))
    assert_same(found[0], np.ones(10))
    assert np.isnan(found[1]).all()
    assert summary(matches)['AP'] == pytest.approx(50)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9), st.sampled_from(['none', 'all']), st.integers(1, 9))
def test_equal_weights_change_nothing(tmp_path_factory, seed, ties, weight):
    folder = tmp_path_factory.mktemp('equal')
    truth, detections = random_test_set(seed, ties)
    matches = match_detections(*write(folder, truth, detections))
    weights = np.full(len(truth['images']), weight)
    assert_same(
        average_precision(matches, weights), average_precision(matches)
    )


@pytest.mark.parametrize('as_file', [True, False])
def test_no_detections_score_nothing(tmp_path, as_file):
    truth, _ = random_test_set(0)
    ann_file, result_file = write(tmp_path, truth, [])
    matches = match_detections(ann_file, result_file if as_file else [])
    scores = average_precision(matches)
    assert np.isnan(scores[0]).all()
    assert (scores[1:] == 0).all()
    assert summary(matches)['AP'] == 0
    assert (bootstrap(matches, 30)['AP'] == 0).all()


def test_a_resample_is_a_draw_with_replacement():
    drawn = resample_images(50, 4000, seed=3)
    assert (drawn.sum(1) == 50).all()
    # Each count is binomial with n = 50, p = 1/50: variance 0.98, and
    # (1 - 1/50)^50 = 0.364 of the images are left out. Two images have a
    # correlation of -1/49.
    assert (drawn == 0).mean() == pytest.approx(0.98**50, abs=0.003)
    assert drawn.var() == pytest.approx(0.98, abs=0.02)
    assert abs(drawn.mean(0) - 1).max() < 0.07
    correlation = np.corrcoef(drawn[:, :2].T)[0, 1]
    assert correlation == pytest.approx(-1 / 49, abs=0.06)


def test_resamples_depend_on_seed_and_number_of_images():
    drawn = resample_images(20, 9, seed=1)
    assert (resample_images(20, 5, seed=1) == drawn[:5]).all()
    assert (resample_images(20, 9, seed=2) != drawn).any()
    # Pinned, since tables of different days are compared: numpy's PCG64(0)
    # draws 3 2 2 1 and 1 0 0 0 below 4.
    found = resample_images(4, 2, seed=0)
    assert found.tolist() == [[0, 1, 2, 1], [3, 1, 0, 0]]


@pytest.mark.parametrize('resamples', [1, 25, 60])
def test_bootstrap_scores_each_resample(tmp_path, resamples):
    files = write(tmp_path, *random_test_set(2, 'all'))
    matches = match_detections(*files)
    result = bootstrap(matches, resamples, seed=5)
    scores = [
        100 * average_precision(matches, weights)
        for weights in resample_images(14, resamples, seed=5)
    ]
    # `unseen` has no boxes, the others have some in most of the resamples.
    with np.errstate(all='raise'):
        expected = [np.nanmean(each.mean(1)) for each in scores]
        assert_same(result['AP'], expected, 1e-10)
        expected = [np.nanmean(each[:, 0]) for each in scores]
        assert_same(result['AP50'], expected, 1e-10)


def test_the_bootstrap_of_a_detector_without_mistakes_but_gaps(tmp_path):
    # 97 images with a box each, 36 of them found: AP is the share of the
    # 101 recalls that are reached. 97 is a prime: no recall is hit exactly,
    # where a rounding error would decide.
    scores = [[0.5 + image / 1000] * (image < 36) for image in range(97)]
    right = [[True]] * 36 + [[]] * 61
    files = write(tmp_path, *one_class([1] * 97, scores, right))
    result = bootstrap(match_detections(*files), 500, seed=1)
    found = resample_images(97, 500, seed=1)[:, :36].sum(1)
    reached = 100 * found // 97 + 1
    assert_same(result['AP'], 100 * reached / 101, 1e-10)
    assert_same(result['AP50'], result['AP'])
    # The share found is binomial.
    spread = 100 * (36 / 97 * 61 / 97 / 97) ** 0.5
    assert result['AP'].std() == pytest.approx(spread, rel=0.1)


def test_two_detectors_get_the_same_resamples(tmp_path):
    truth, detections = random_test_set(3)
    ann_file, result_file = write(tmp_path, truth, detections)
    first = bootstrap(match_detections(ann_file, result_file), 50)
    # Worse than all others, these change no score.
    extra = [
        dict(image_id=i, category_id=7, bbox=[0, 150, 9, 9], score=-1 - i)
        for i in (3, 13, 23)
    ]
    more = match_detections(ann_file, detections + extra)
    second = bootstrap(more, 50)
    assert first['AP'].std() > 1
    assert_same(second['AP'], first['AP'], 0)
    assert_same(second['AP50'], first['AP50'], 0)


def test_a_resample_without_boxes_has_no_score(tmp_path):
    # One of two images has the only box: a quarter of the resamples has
    # none.
    truth, detections = one_class([1, 0], [[0.9], []], [[True], []])
    matches = match_detections(*write(tmp_path, truth, detections))
    empty = resample_images(2, 200)[:, 0] == 0
    assert 20 < empty.sum() < 80
    for scores in bootstrap(matches).values():
        assert (np.isnan(scores) == empty).all()
        assert_same(scores[~empty], 100)


def test_no_resamples(tmp_path):
    truth, detections = one_class([1, 1, 1], [[]] * 3, [[]] * 3)
    matches = match_detections(*write(tmp_path, truth, detections))
    with pytest.raises(ValueError, match='resamples must be at least 1'):
        bootstrap(matches, 0)
