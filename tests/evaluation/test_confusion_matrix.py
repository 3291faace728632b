"""Counts of true and detected classes."""

import numpy as np
import pytest

from helpers.made_test_sets import CATEGORIES, random_test_set, write
from mmdet_ddpm_moco.evaluation.confusion_matrix import confusion_matrix

# By id: 2 unseen, 5 missed, 7 crack, 11 dent.
UNSEEN, MISSED, CRACK, DENT, NONE = range(5)


def box(number, image, category, place, crowd=0):
    return dict(
        id=number,
        image_id=image,
        category_id=category,
        bbox=[100 * place, 0, 50, 50],
        area=2500,
        iscrowd=crowd,
    )


def found(image, category, place, score, shift=0):
    x = 100 * place + shift
    return dict(
        image_id=image,
        category_id=category,
        bbox=[x, 0, 50, 50],
        score=score,
    )


def test_each_box_is_counted_where_it_belongs(tmp_path):
    truth = dict(
        images=[dict(id=1), dict(id=2)],
        annotations=[
            box(1, 1, 7, 0),  # found
            box(2, 1, 7, 1),  # taken for a dent
            box(3, 1, 5, 2),  # found, but not surely enough
            box(4, 2, 11, 0),  # found twice: the surer one counts
            box(5, 2, 11, 1, crowd=1),  # a crowd: neither it nor its
        ],
        categories=[dict(id=k, name=n) for k, n in CATEGORIES.items()],
    )
    detections = [
        found(1, 7, 0, 0.9, shift=10),
        found(1, 11, 1, 0.8),
        found(1, 5, 2, 0.2),
        found(1, 7, 5, 0.4),  # where nothing is
        found(2, 7, 0, 0.5),
        found(2, 11, 0, 0.6),
        found(2, 11, 1, 0.7),
    ]
    ann_file, _ = write(tmp_path, truth, detections)
    expected = np.zeros((5, 5), int)
    expected[CRACK, CRACK] = 1
    expected[CRACK, DENT] = 1
    expected[MISSED, NONE] = 1
    expected[DENT, DENT] = 1
    expected[NONE, CRACK] = 2
    counts = confusion_matrix(ann_file, detections, score_thr=0.3)
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize('seed', range(4))
def test_rows_count_all_boxes_and_columns_all_that_is_sure(tmp_path, seed):
    truth, detections = random_test_set(seed)
    for one in truth['annotations']:  # all of them count
        one.update(iscrowd=0, area=one['bbox'][2] * one['bbox'][3])
    detections = [d for d in detections if d['bbox'][2] < 1e5]
    ann_file, _ = write(tmp_path, truth, detections)
    counts = confusion_matrix(ann_file, detections, score_thr=0.4)
    for i, category in enumerate(sorted(CATEGORIES)):
        boxes = [
            a for a in truth['annotations'] if a['category_id'] == category
        ]
        sure = [
            d
            for d in detections
            if d['category_id'] == category and d['score'] >= 0.4
        ]
        assert counts[i].sum() == len(boxes)
        assert counts[:, i].sum() == len(sure)
    assert counts[NONE, NONE] == 0
