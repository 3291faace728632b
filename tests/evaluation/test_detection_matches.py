"""Matching detections, and invalid inputs."""

import json

import numpy as np
import pytest

from helpers.made_test_sets import (
    assert_same,
    one_class,
    random_test_set,
    write,
)
from mmdet_ddpm_moco.evaluation.average_precision import average_precision
from mmdet_ddpm_moco.evaluation.detection_matches import match_detections


def test_only_the_100_best_detections_of_an_image_count(tmp_path):
    scores = np.linspace(0.9, 0.1, 120)
    for rank, expected in ((99, 1 / 100), (100, 0)):
        right = np.arange(120) == rank
        truth, detections = one_class([1], [scores], [right])
        matches = match_detections(write(tmp_path, truth, [])[0], detections)
        assert len(matches.classes[0].scores) == 100
        assert_same(average_precision(matches)[0, 0], expected)


def test_the_input_is_unchanged_and_nothing_is_printed(tmp_path, capsys):
    truth, detections = random_test_set(1, 'all')
    ann_file, result_file = write(tmp_path, truth, detections)
    from_file = average_precision(match_detections(ann_file, result_file))
    from_list = average_precision(match_detections(ann_file, detections))
    assert detections == json.loads(result_file.read_text())
    assert_same(from_list, from_file, 0)
    # Python callers have other types of numbers and sequences.
    others = [
        dict(each, bbox=tuple(each['bbox']), score=np.float64(each['score']))
        for each in detections
    ]
    from_others = average_precision(match_detections(ann_file, others))
    assert_same(from_others, from_file, 0)
    assert capsys.readouterr() == ('', '')


def test_boxes_without_iscrowd_are_no_crowds(tmp_path):
    truth, detections = random_test_set(2)
    for box in truth['annotations']:
        box['iscrowd'] = 0
    ann_file, _ = write(tmp_path, truth, [])
    expected = average_precision(match_detections(ann_file, detections))
    for box in truth['annotations'][::2]:
        del box['iscrowd']
    ann_file, _ = write(tmp_path, truth, [])
    found = average_precision(match_detections(ann_file, detections))
    assert_same(found, expected, 0)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(image_id=999), 'detection 1 is of image 999'),
        (dict(category_id=3), 'detection 1 is of category 3, which'),
        (dict(score=float('nan')), 'detection 1 needs .* a score'),
        (dict(bbox=[1, 2, 3]), 'detection 1 needs .* bbox of four'),
        (dict(bbox=None), 'detection 1 needs'),
    ],
)
def test_a_detection_that_does_not_fit(tmp_path, change, message):
    truth, detections = random_test_set(0)
    detections[1].update(change)
    ann_file, result_file = write(tmp_path, truth, detections)
    for source in (result_file, detections):
        with pytest.raises(ValueError, match=message) as error:
            match_detections(ann_file, source)
        assert '\n' not in str(error.value)


def test_other_files(tmp_path):
    truth, detections = random_test_set(0)
    ann_file, result_file = write(tmp_path, truth, detections)
    with pytest.raises(ValueError, match='no COCO annotation file'):
        match_detections(result_file, result_file)
    with pytest.raises(ValueError, match='no list of detections'):
        match_detections(ann_file, ann_file)
    with pytest.raises(FileNotFoundError):
        match_detections(ann_file, tmp_path / 'none.json')
    result_file.write_text('[{"image_id": 3,')
    with pytest.raises(ValueError, match=r'test\.bbox\.json is no json file'):
        match_detections(ann_file, result_file)
    truth['categories'][0]['name'] = 'dent'
    with pytest.raises(ValueError, match='several categories of one name'):
        match_detections(write(tmp_path, truth, [])[0], detections)
