"""Checks of a submission in COCO's format."""

import math

import pytest

from mmdet_ddpm_moco.evaluation.coco_results import check_images, check_results

IMAGES = [
    dict(id=4, file_name='a.png', width=30, height=20),
    dict(id=9, file_name='b.png', width=30, height=20),
]
CATEGORIES = [dict(id=2, name='dent')]
GOOD = dict(image_id=4, category_id=2, bbox=[1, 2, 3.5, 4], score=0.5)
MASK = dict(size=[20, 30], counts='0Q1')


def check(tested=(4, 9), **changes):
    check_results([dict(GOOD, **changes)], tested, IMAGES, CATEGORIES)


def test_images_without_detections_are_allowed():
    check()
    check(segmentation=MASK)


@pytest.mark.parametrize(
    'tested, complaint',
    [
        ((4,), '1 of 2 images were not tested, one has the id 9'),
        ((4, 9, 5), 'are not in the list, one has the id 5'),
        ((4, 9, 9), 'were tested several times, one has the id 9'),
    ],
)
def test_other_images_than_those_asked_for(tested, complaint):
    with pytest.raises(ValueError, match=complaint):
        check(tested)


@pytest.mark.parametrize(
    'changes, complaint',
    [
        (dict(score=math.nan), 'holds NaN'),
        (dict(bbox=[0, 0, math.inf, 1]), 'holds NaN or infinity'),
        (dict(bbox=[0, 0, 1]), 'a bbox of 3 numbers'),
        (dict(bbox=[0, 0, -1, 1]), 'negative extent'),
        (dict(image_id=5), 'of an image that is not in the list'),
        (dict(category_id=1), 'unknown category 1'),
        (dict(segmentation=dict(MASK, size=[30, 20])), 'its image is'),
    ],
)
def test_a_malformed_detection_is_one_line(changes, complaint):
    with pytest.raises(ValueError, match=complaint) as error:
        check(**changes)
    assert '\n' not in str(error.value)
    assert 'nothing was written' in str(error.value)


def test_a_detection_that_lacks_a_key():
    found = {k: v for k, v in GOOD.items() if k != 'score'}
    with pytest.raises(ValueError, match='has no score'):
        check_results([found], (4, 9), IMAGES, CATEGORIES)


def test_no_detection_at_all():
    with pytest.raises(ValueError, match='lower the score_thr'):
        check_results([], (4, 9), IMAGES, CATEGORIES)


@pytest.mark.parametrize(
    'images, complaint',
    [
        ([], 'has no images'),
        ([dict(IMAGES[0], id=9), IMAGES[1]], 'has the id 9 2 times'),
        ([dict(IMAGES[0], file_name='b.png'), IMAGES[1]], "'b.png' 2 times"),
        ([dict(file_name='a.png')], 'has no id'),
    ],
)
def test_a_list_that_cannot_be_submitted(images, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_images(images, 'list.json')
