"""What one of two detectors finds alone."""

import json

import cv2
import numpy as np
import pytest

from mmdet_ddpm_moco.evaluation.gained_defects import gained_defects
from mmdet_ddpm_moco.visualization.box_cells import CELL, GAP

PLACES = [[10 * i, 5, 8, 8] for i in range(4)]


def detection(bbox, score, category=1):
    return dict(image_id=1, category_id=category, bbox=bbox, score=score)


@pytest.fixture
def compare(tmp_path):
    """Four defects and a crowd on one image."""
    boxes = [(bbox, 0) for bbox in PLACES] + [([0, 20, 40, 10], 1)]
    coco = dict(
        images=[dict(id=1, file_name='plate.png', width=40, height=30)],
        annotations=[
            dict(
                id=number,
                image_id=1,
                category_id=1,
                bbox=bbox,
                area=bbox[2] * bbox[3],
                iscrowd=crowd,
            )
            for number, (bbox, crowd) in enumerate(boxes, 1)
        ],
        categories=[dict(id=1, name='pit'), dict(id=2, name='dent')],
    )
    (tmp_path / 'truth.json').write_text(json.dumps(coco))
    cv2.imwrite(str(tmp_path / 'plate.png'), np.full((30, 40), 90, np.uint8))

    def run(before, after, classes=None):
        for name, found in (('before', before), ('after', after)):
            (tmp_path / f'{name}.json').write_text(json.dumps(found))
        return gained_defects(
            *(tmp_path / f'{n}.json' for n in ('truth', 'before', 'after')),
            classes,
        )

    return run


def test_each_defect_is_counted_once(compare):
    first, second, third, _ = PLACES
    found = compare(
        [detection(first, 0.9), detection(second, 0.8)],
        [detection(second, 0.1), detection(third, 0.3)],
    )
    assert [box['bbox'] for box in found.gained] == [third]
    assert [box['bbox'] for box in found.lost] == [first]
    assert (found.both, found.neither) == (1, 1)
    assert str(found) == (
        '1 defects are found that were missed, 1 are missed that were found; '
        '1 were and are found, 1 never'
    )


def test_the_surest_boxes_count_as_many_as_there_are_defects(compare):
    false_alarms = [detection([0, 20, 3, 3], 0.9) for _ in range(3)]
    low = [detection(bbox, 0.5 - 0.1 * i) for i, bbox in enumerate(PLACES)]
    found = compare([], false_alarms + low)
    assert [box['bbox'] for box in found.gained] == PLACES[:1]
    assert found.neither == 3


def test_another_class_is_not_found(compare):
    found = compare([], [detection(PLACES[0], 0.9, category=2)])
    assert found.gained == []
    assert found.neither == 4


def test_defects_of_other_classes_do_not_count(compare):
    right = detection(PLACES[0], 0.1)
    found = compare([right], [detection(PLACES[0], 0.9)], ['dent'])
    assert (found.both, found.neither) == (0, 0)
    assert found.gained == found.lost == []
    found = compare([right], [], ['pit'])
    assert (len(found.lost), found.neither) == (1, 3)


def test_detections_of_other_classes_do_not_count(compare):
    """They are surer, and would leave no room for those that do."""
    others = [detection(place, 0.9, 2) for place in PLACES]
    own = [detection(place, 0.5) for place in PLACES]
    found = compare([], [*others, *own], ['pit'])
    assert len(found.gained) == len(PLACES)


def test_the_surest_are_as_many_as_defects_that_count(compare):
    wrong = [detection([0, 20, 3, 3], 0.9) for _ in range(3)]
    low = detection(PLACES[0], 0.1)
    assert len(compare([], [*wrong, low], ['pit']).gained) == 1
    assert compare([], [*wrong, low], ['dent']).gained == []


@pytest.mark.parametrize(
    'bad',
    [dict(bbox=[0, 0, 1, 1]), detection([0, 0, 1, 1], 0.1) | dict(image_id=9)],
)
def test_bad_detections_are_named(compare, bad):
    sure = [detection(place, 0.9) for place in PLACES]
    with pytest.raises(ValueError, match='detection 4'):
        compare([], [*sure, bad])


def test_both_kinds_are_drawn_one_below_the_other(compare, tmp_path):
    found = compare(
        [detection(PLACES[0], 0.9)],
        [detection(place, 0.8) for place in PLACES[1:]],
    )
    picture = found.draw(tmp_path)
    step = CELL + GAP
    assert picture.shape[0] == 2 * (16 + step + GAP)

    def colored(part):
        return int((np.ptp(part, axis=2) > 60).sum())

    top, bottom = np.split(picture, 2)
    assert colored(top[:, 2 * step : 3 * step]) > 0
    assert colored(top[:, 3 * step + GAP :]) == 0
    assert colored(bottom[:, :step]) > 0
    assert colored(bottom[:, step + GAP :]) == 0
    assert compare([], []).draw(tmp_path).shape[1] == picture.shape[1]
