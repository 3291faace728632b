"""How surely labeled defects are found by detectors that did not see them."""

import pytest

from mmdet_ddpm_moco.teacher.calibration import Calibration
from mmdet_ddpm_moco.teacher.misses import chances_found
from mmdet_ddpm_moco.utils.fileio import write_json

BOX = [10, 10, 20, 20]
ANNOTATIONS = [
    # image, category, box, crowd
    (1, 2, BOX, 0),
    (1, 2, [40, 40, 10, 10], 0),
    (2, 2, BOX, 0),
    (2, 5, BOX, 0),
    (3, 2, BOX, 1),
]
# A score of s is right with a probability of s / 2, of a dent; with 0.9 where
# it is a scratch.
CALIBRATIONS = (
    Calibration('dent', (0.0, 1.0), (0.0, 0.5)),
    Calibration('scratch', (0.0, 1.0), (0.9, 0.9)),
)


def result(image, category, box, score):
    return dict(image_id=image, category_id=category, bbox=box, score=score)


@pytest.mark.parametrize(
    'results, expected',
    [
        ([], {1: 0, 2: 0, 3: 0, 4: 0}),
        # Of two that fit the surest counts, and one is for one defect only.
        (
            [result(1, 2, BOX, 0.4), result(1, 2, [11, 10, 20, 20], 0.8)],
            {1: 0.4, 2: 0, 3: 0, 4: 0},
        ),
        # Another class or place is no find.
        (
            [result(2, 5, BOX, 0.2), result(1, 2, [30, 30, 10, 10], 0.9)],
            {1: 0, 2: 0, 3: 0, 4: 0.9},
        ),
        ([result(3, 2, BOX, 1.0)], {1: 0, 2: 0, 3: 0, 4: 0}),
    ],
)
def test_the_surest_detection_of_a_defect_counts(tmp_path, results, expected):
    coco = dict(
        images=[
            dict(id=i, file_name=f'{i}.png', width=64, height=64)
            for i in (1, 2, 3)
        ],
        annotations=[
            dict(
                id=number,
                image_id=image,
                category_id=category,
                bbox=box,
                area=box[2] * box[3],
                iscrowd=crowd,
            )
            for number, (image, category, box, crowd) in enumerate(
                ANNOTATIONS, 1
            )
        ],
        categories=[dict(id=2, name='dent'), dict(id=5, name='scratch')],
    )
    file = tmp_path / 'ann.json'
    write_json(file, coco)
    found = chances_found(file, results, CALIBRATIONS)
    assert found == pytest.approx(expected)
