import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.conversion.boxes import (
    AnnotatedObject,
    Box,
    clean_boxes,
    main_class,
)
from mmdet_ddpm_moco.conversion.formats.voc import annotated_object

CLASSES = {'dent', 'rolled-in_scale'}


def clean(*objects, stem='x', width=40, height=30):
    """Cleans objects of (class, corners of a VOC file or None)."""
    missing = (float('nan'),) * 4
    return clean_boxes(
        [
            annotated_object(name, *(corners or missing))
            for name, corners in objects
        ],
        width,
        height,
        stem,
        CLASSES,
    )


def test_corners_are_one_based_and_inclusive():
    boxes, findings = clean(('dent', (1, 1, 40, 30)), ('dent', (3, 5, 22, 14)))
    assert [box.xywh for box in boxes] == [(0, 0, 40, 30), (2, 4, 20, 10)]
    assert boxes[1].area == 200
    assert findings == []


@pytest.mark.parametrize(
    ('corners', 'kind', 'kept'),
    [
        ((0, 5, 22, 14), 'clipped_box', (0, 4, 22, 10)),
        ((3, 5, 50, 44), 'clipped_box', (2, 4, 38, 26)),
        ((41, 5, 50, 14), 'box_outside_image', None),
        ((-9, -9, 0, 0), 'box_outside_image', None),
        ((9, 5, 9, 14), 'empty_box', None),
        ((9, 14, 22, 5), 'empty_box', None),
        (None, 'unusable_coordinates', None),
        ((3.5, 5.25, 22, 14), None, (2.5, 4.25, 19.5, 9.75)),
        # Less than a pixel is left by clipping.
        ((40.5, 5, 60, 14), 'sliver', None),
        ((3, -20, 22, 0.25), 'sliver', None),
    ],
)
def test_each_odd_box_has_its_kind(corners, kind, kept):
    boxes, findings = clean(('dent', corners))
    assert [box.xywh for box in boxes] == ([kept] if kept else [])
    assert [name for name, _ in findings] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ('edges', 'kept'),
    [
        ((10, 4, 10.5, 14), (9.75, 4, 1, 10)),
        ((10, 4, 20, 4.25), (10, 3.625, 10, 1)),
        ((0, 4, 0.5, 14), (0, 4, 1, 10)),
        ((39.75, 29.5, 40, 30), (39, 29, 1, 1)),
        ((10, 4, 11, 14), (10, 4, 1, 10)),
    ],
)
def test_thin_boxes_are_widened_to_what_mmdet_keeps(edges, kept):
    item = AnnotatedObject('dent', edges, 'as drawn')
    boxes, findings = clean_boxes([item], 40, 30, 'x', CLASSES)
    assert [box.xywh for box in boxes] == [kept]
    thin = edges != (10, 4, 11, 14)
    assert findings == [('thin_box', 'dent as drawn')] * thin


def test_a_thin_box_that_is_clipped_lengthwise_is_widened():
    item = AnnotatedObject('dent', (10, 20, 10.5, 50), 'as drawn')
    boxes, findings = clean_boxes([item], 40, 30, 'x', CLASSES)
    assert [box.xywh for box in boxes] == [(9.75, 20, 1, 10)]
    assert [kind for kind, _ in findings] == ['clipped_box', 'thin_box']


def test_duplicates_need_the_same_class_and_place():
    place = (3, 5, 22, 14)
    boxes, findings = clean(
        ('dent', place),
        ('rolled-in_scale', place),
        ('dent', place),
        ('dent', (3, 5, 22, 15)),
    )
    assert len(boxes) == 3
    assert [kind for kind, _ in findings] == ['duplicate_box']


def test_class_comes_from_the_stem_if_there_is_none():
    place = (3, 5, 22, 14)
    boxes, findings = clean(('', place), stem='rolled-in_scale_7')
    assert boxes[0].name == 'rolled-in_scale'
    assert [kind for kind, _ in findings] == ['class_from_stem']
    boxes, findings = clean(('', place), stem='whatever_7')
    assert boxes == []
    assert [kind for kind, _ in findings] == ['object_without_class']


def test_unknown_classes_are_dropped_and_named():
    boxes, findings = clean(('gouge', (3, 5, 22, 14)))
    assert boxes == []
    assert findings == [('unknown_class', 'gouge')]


number = st.floats(-60, 60) | st.integers(-60, 60)


@settings(deadline=None)
@given(st.lists(st.tuples(number, number, number, number), max_size=6))
def test_boxes_are_inside_the_image_and_each_loss_is_reported(places):
    boxes, findings = clean(*(('dent', place) for place in places))
    for box in boxes:
        x, y, width, height = box.xywh
        assert width >= 1
        assert height >= 1
        assert x >= 0
        assert y >= 0
        assert x + width <= 40 + 1e-9
        assert y + height <= 30 + 1e-9
    kept = ('clipped_box', 'thin_box')
    dropped = [kind for kind, _ in findings if kind not in kept]
    assert len(boxes) + len(dropped) == len(places)


def test_main_class_has_the_largest_total_area():
    def box(name, area):
        return Box(name, (0.0, 0.0, float(area), 1.0))

    assert main_class([]) is None
    assert main_class([box('b', 10), box('a', 6), box('a', 5)]) == 'a'
    assert main_class([box('b', 10), box('a', 10)]) == 'a'
