import json

import numpy as np
import pytest

from mmdet_ddpm_moco.evaluation.detection_matches import match_detections
from mmdet_ddpm_moco.teacher.calibration import Calibration
from mmdet_ddpm_moco.teacher.fusion import FusedDetections
from mmdet_ddpm_moco.teacher.pseudo_labels import (
    MIN_PROBABILITY,
    pseudo_coco,
)
from mmdet_ddpm_moco.teacher.report import (
    measure,
    read_truth,
    report_rows,
    report_text,
)
from mmdet_ddpm_moco.utils.errors import InputError

CALIBRATIONS = (
    Calibration('pit', (0.0, 1.0), (0.0, 0.5)),
    Calibration('rust', (), ()),
)
CATEGORIES = [dict(id=5, name='pit'), dict(id=2, name='rust')]
IMAGES = [
    dict(id=3, file_name='a.png', width=90, height=60),
    dict(id=1, file_name='b.png', width=90, height=60),
]


def found(*rows):
    """From rows of x0, y0, x1, y1, score, label."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return FusedDetections(
        table[:, :4], table[:, 4], table[:, 5].astype(np.int64)
    )


def made():
    return pseudo_coco(
        IMAGES,
        CATEGORIES,
        {
            3: found((1, 2, 11, 22, 0.9, 0), (40, 0, 60, 9, 0.5, 0)),
            1: found((5, 5, 9, 9, 0.9, 1), (5, 5, 9, 9, 0.02, 0)),
        },
        {3: np.array([0.45, 0.25]), 1: np.array([0, 0.01])},
    )


def test_annotations_are_those_of_coco():
    coco = made()
    assert [image['id'] for image in coco['images']] == [3, 1]
    # What is unlikely is left out.
    first, second = coco['annotations']
    assert first['image_id'] == second['image_id'] == 3
    assert first['category_id'] == 5
    assert first['bbox'] == [1, 2, 10, 20]
    assert first['area'] == 200
    assert first['iscrowd'] == 0
    assert first['score'] == pytest.approx(0.9)
    assert first['probability'] == pytest.approx(0.45)
    assert second['probability'] == pytest.approx(0.25)
    assert first['id'] != second['id']


@pytest.mark.parametrize('above', [False, True])
def test_unlikely_boxes_are_left_out(above):
    likely = MIN_PROBABILITY + (0.01 if above else -0.01)
    here = {3: found((1, 2, 11, 22, 0.9, 0)), 1: found()}
    probabilities = {3: np.array([likely]), 1: np.empty(0)}
    coco = pseudo_coco(IMAGES, CATEGORIES, here, probabilities)
    assert len(coco['annotations']) == above


@pytest.fixture
def truth(tmp_path):
    """Two pits and a rust spot in a.png, other ids, and an image more."""
    names = dict(enumerate(('c.png', 'a.png')))
    boxes = [(1, [1, 2, 10, 20], 1), (1, [70, 40, 9, 9], 1)]
    boxes += [(1, [40, 0, 20, 9], 2), (0, [0, 0, 9, 9], 1)]
    file = tmp_path / 'truth.json'
    coco = dict(
        images=[
            dict(id=i, file_name=n, width=90, height=60)
            for i, n in names.items()
        ],
        annotations=[
            dict(
                id=k + 1,
                image_id=i,
                bbox=b,
                category_id=c,
                area=b[2] * b[3],
                iscrowd=0,
            )
            for k, (i, b, c) in enumerate(boxes)
        ],
        categories=[dict(id=2, name='rust'), dict(id=1, name='pit')],
    )
    file.write_text(json.dumps(coco))
    return file


def test_what_is_right_is_measured_where_the_truth_is_known(truth):
    known = read_truth(truth, CATEGORIES, made()['images'])
    pit, rust = measure(made(), known)
    assert pit == dict(right=1, recall=0.5)
    assert rust == dict(right=0, recall=0)


def test_a_truth_need_not_have_what_can_be_computed(truth):
    coco = json.loads(truth.read_text())
    for annotation in coco['annotations']:
        for key in ('id', 'area', 'iscrowd'):
            del annotation[key]
    truth.write_text(json.dumps(coco))
    known = read_truth(truth, CATEGORIES, made()['images'])
    assert measure(made(), known)[0] == dict(right=1, recall=0.5)


def test_a_truth_that_could_not_be_measured_is_refused_at_once(truth):
    coco = json.loads(truth.read_text())
    for change, complaint in (
        (
            dict(categories=[*coco['categories'], dict(id=9, name='pit')]),
            'one name: rust, pit, pit; rename or remove',
        ),
        (
            dict(annotations=[dict(id=4, image_id=1, category_id=1)]),
            'annotation 4 of .* has neither',
        ),
        (
            dict(annotations=[dict(bbox=[1, 2, 3, 4], image_id=1)]),
            'annotation no. 1 of .* has no category_id; add it',
        ),
        (dict(images=[dict(file_name='a.png')]), 'is no COCO json'),
    ):
        truth.write_text(json.dumps(dict(coco, **change)))
        with pytest.raises(InputError, match=complaint):
            read_truth(truth, CATEGORIES, made()['images'])


def test_a_truth_of_other_images_is_refused_at_once(truth):
    with pytest.raises(
        ValueError, match=r'none of the 1 unlabeled .* a/0\.png'
    ):
        read_truth(truth, CATEGORIES, [dict(id=0, file_name='a/0.png')])


def test_the_report_says_what_to_expect(truth):
    held_out = match_detections(
        truth,
        [
            dict(image_id=1, category_id=1, bbox=[1, 2, 10, 20], score=0.8),
            # Too unlikely to be used.
            dict(image_id=0, category_id=1, bbox=[0, 0, 9, 9], score=0.01),
            dict(image_id=1, category_id=2, bbox=[40, 0, 20, 9], score=0.9),
        ],
    )
    rows = report_rows(made(), held_out, CALIBRATIONS)
    pit, rust = rows
    assert (pit['name'], pit['boxes']) == ('pit', 2)
    assert pit['expected_right'] == pytest.approx(0.7)
    assert pit['expected_recall'] == pytest.approx(1 / 3)
    assert (rust['boxes'], rust['expected_recall']) == (0, 0)
    text = report_text(rows, made(), folds=3)
    assert '3 teachers labeled 2 images; 1 have no box' in text
    assert '| pit | 2 | 1 | 0.33 |\n' in text
    known = read_truth(truth, CATEGORIES, made()['images'])
    known = measure(made(), known)
    rows = report_rows(made(), held_out, CALIBRATIONS, known)
    text = report_text(rows, made(), 3)
    assert '| pit | 2 | 1 | 0.33 | 1 | 0.50 |\n' in text
