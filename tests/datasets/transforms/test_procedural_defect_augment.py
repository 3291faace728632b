"""ProceduralDefectAugment in a pipeline."""

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

import mmdet_ddpm_moco  # noqa: F401  the dotted type resolves without it
from mmdet_ddpm_moco.bank.compositing import overlaps

BOXES = [[10, 10, 34.5, 30], [60, 15, 64, 70]]


def sample(boxes=BOXES, ignore=None):
    rng = np.random.RandomState(1)
    image = rng.randint(120, 136, (120, 120, 3)).astype(np.uint8)
    for x0, y0, x1, y1 in np.array(boxes, int).reshape(-1, 4):
        image[y0:y1, x0:x1] = 60
    return dict(
        img=image,
        gt_bboxes=HorizontalBoxes(np.array(boxes, np.float32).reshape(-1, 4)),
        gt_bboxes_labels=np.arange(len(boxes), dtype=np.int64) + 3,
        gt_ignore_flags=np.array(ignore or [False] * len(boxes), bool),
    )


def augment(**settings):
    return TRANSFORMS.build(
        dict(type='mmdet_ddpm_moco.ProceduralDefectAugment', **settings)
    )


def corners(results):
    return results['gt_bboxes'].numpy()


@pytest.mark.parametrize('seed', range(20))
def test_new_defects_are_in_defect_free_areas(seed):
    np.random.seed(seed)
    before = sample()
    results = augment(prob=1.0).transform(sample())
    old, new = corners(results)[:2], corners(results)[2:]
    assert np.array_equal(old, corners(before))
    assert 1 <= len(new) <= 4
    changed = (results['img'] != before['img']).any(2)
    whole = [(x, y, x1 - x, y1 - y) for x, y, x1, y1 in corners(results)]
    whole = [tuple(int(v) for v in np.ceil(box)) for box in whole]
    for i, box in enumerate(whole[2:], 2):
        x, y, w, h = box
        assert changed[y : y + h, x : x + w].any()
        assert not any(overlaps(box, other) for other in whole[:i])
        changed[max(y - 5, 0) : y + h + 5, max(x - 5, 0) : x + w + 5] = False
    assert not changed.any()  # and nowhere else
    assert set(results['gt_bboxes_labels']) <= {3, 4}
    assert len(results['gt_bboxes_labels']) == len(whole)
    assert len(results['gt_ignore_flags']) == len(whole)
    assert results['gt_bboxes_labels'].dtype == np.int64
    assert results['img'].dtype == np.uint8


def test_a_painted_defect_is_as_dark_as_its_source():
    np.random.seed(0)
    results = augment(prob=1.0, max_defects=1).transform(sample(BOXES[:1]))
    x0, y0, x1, y1 = corners(results)[1].astype(int)
    # 0.7 to 1.3 of a contrast of 68 gray levels.
    assert 25 <= results['img'][y0:y1, x0:x1].min() <= 90


@pytest.mark.parametrize(
    'results',
    [
        sample(boxes=[]),
        sample(boxes=[[0, 0, 120, 120]]),  # no defect-free area
        sample(ignore=[True, True]),
    ],
)
def test_where_nothing_can_be_painted_nothing_changes(results):
    image, boxes = results['img'].copy(), corners(results).copy()
    results = augment(prob=1.0).transform(results)
    assert np.array_equal(results['img'], image)
    assert np.array_equal(corners(results), boxes)


def test_the_share_of_changed_images():
    np.random.seed(0)
    transform = augment(prob=0.3)
    changed = [
        len(transform.transform(sample())['gt_bboxes_labels']) > 2
        for _ in range(200)
    ]
    assert 0.2 < np.mean(changed) < 0.4
    assert not any(
        len(augment(prob=0.0).transform(sample())['gt_bboxes_labels']) > 2
        for _ in range(20)
    )


def test_the_input_image_is_not_modified():
    np.random.seed(0)
    results = sample()
    image, before = results['img'], results['img'].copy()
    augment(prob=1.0).transform(results)
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    'settings, named',
    [(dict(prob=1.5), 'prob'), (dict(max_defects=0), 'max_defects')],
)
def test_bad_settings(settings, named):
    with pytest.raises(ValueError, match=named):
        augment(**settings)


@pytest.mark.parametrize('key', ['gt_masks', 'gt_seg_map'])
def test_masks_are_refused(key):
    with pytest.raises(ValueError, match='not masks'):
        augment().transform({**sample(), key: None})
