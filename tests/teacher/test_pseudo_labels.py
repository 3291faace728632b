import numpy as np
import pytest

from mmdet_ddpm_moco.teacher.fusion import FusedDetections
from mmdet_ddpm_moco.teacher.pseudo_labels import label_image, pseudo_coco
from mmdet_ddpm_moco.teacher.report import report_rows, report_text
from mmdet_ddpm_moco.teacher.thresholds import Threshold

THRESHOLDS = (
    Threshold('pit', 0.8, 0.4, 0.7, 0.5, 0.1),
    Threshold('rust', 0.5, 0.5, 0.7, 0.5, 0.0),
)
CATEGORIES = [dict(id=5, name='pit'), dict(id=2, name='rust')]


def found(*rows):
    """From rows of x0, y0, x1, y1, score, label and perhaps agreement."""
    full = [row if len(row) == 7 else (*row, 1) for row in rows]
    table = np.array(full, np.float32).reshape(-1, 7)
    return FusedDetections(
        table[:, :4],
        table[:, 4],
        table[:, 5].astype(np.int64),
        np.ones(len(table), np.float32),
        table[:, 6],
    )


def test_every_class_has_its_own_scores():
    kept, ignored = label_image(
        found(
            (0, 0, 9, 9, 0.9, 0),
            (20, 0, 29, 9, 0.6, 0),
            (40, 0, 49, 9, 0.3, 0),
            (60, 0, 69, 9, 0.6, 1),
            (80, 0, 89, 9, 0.49, 1),
        ),
        THRESHOLDS,
    )
    assert kept.tolist() == [0, 3]
    assert ignored.tolist() == [1]


def test_an_uncertain_place_is_ignored():
    here = found((0, 0, 9, 9, 0.9, 0, 0.7), (20, 0, 29, 9, 0.9, 0, 0.9))
    assert label_image(here, THRESHOLDS)[0].tolist() == [0, 1]
    kept, ignored = label_image(here, THRESHOLDS, min_agreement=0.8)
    assert (kept.tolist(), ignored.tolist()) == ([1], [0])


@pytest.mark.parametrize(
    'box, label, ignored',
    [
        ((0, 0, 40, 40), 0, False),  # inside the kept one
        ((0, 0, 40, 60), 0, False),  # by five sixths
        ((0, 0, 50, 90), 0, True),  # by five ninths
        ((0, 0, 40, 40), 1, True),  # of another class
        ((0, 0, 300, 300), 0, True),  # around it
    ],
)
def test_a_kept_defect_is_not_ignored_once_more(box, label, ignored):
    rust_needs_more = (
        THRESHOLDS[0],
        Threshold('rust', 0.8, 0.4, 0.7, 0.5, 0.0),
    )
    here = found((0, 0, 50, 50, 0.9, 0), (*box, 0.6, label))
    kept, left = label_image(here, rust_needs_more)
    assert kept.tolist() == [0]
    assert left.tolist() == [1] * ignored


def made():
    images = [
        dict(id=3, file_name='a.png', width=90, height=60),
        dict(id=1, file_name='b.png', width=90, height=60),
    ]
    return pseudo_coco(
        images,
        CATEGORIES,
        {
            3: found((1, 2, 11, 22, 0.9, 0), (40, 0, 60, 9, 0.5, 0)),
            1: found((5, 5, 9, 9, 0.1, 1)),
        },
        THRESHOLDS,
    )


def test_annotations_are_those_of_coco():
    coco = made()
    assert [image['id'] for image in coco['images']] == [3, 1]
    kept, ignored = coco['annotations']
    assert kept['image_id'] == ignored['image_id'] == 3
    assert kept['category_id'] == 5
    assert kept['bbox'] == [1, 2, 10, 20]
    assert kept['area'] == 200
    assert (kept['iscrowd'], ignored['iscrowd']) == (0, 1)
    assert kept['score'] == pytest.approx(0.9)
    assert len({kept['id'], ignored['id']}) == 2


def test_the_report_counts_what_there_is():
    rows = report_rows(made(), THRESHOLDS)
    assert [(r['name'], r['kept'], r['ignored']) for r in rows] == [
        ('pit', 1, 1),
        ('rust', 0, 0),
    ]
    text = report_text(rows, made(), folds=3)
    assert (
        '3 teachers labeled 2 images; 1 have a kept box, 1 have none' in text
    )
    assert '| pit | 1 | 1 | 0.80 | 0.40 | 0.70 | 0.50 |' in text
    assert 'true' not in text
    known = [dict(precision=0.25, recall=0.75)] * 2
    text = report_text(report_rows(made(), THRESHOLDS, known), made(), 3)
    assert '| 0.70 | 0.50 | 0.25 | 0.75 |' in text
