import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from mmdet_ddpm_moco.conversion.boxes import Mask, usable_mask
from mmdet_ddpm_moco.conversion.shapes import (
    box_object,
    image_size,
    pieces,
    polygon_object,
    rle_mask,
    run_lengths,
    scaled,
)

MASKS = arrays(
    bool, array_shapes(min_dims=2, max_dims=2, max_side=40)
)  # fmt: skip


@settings(deadline=None)
@given(MASKS)
def test_run_lengths_are_those_of_pycocotools(pixels):
    height, width = pixels.shape
    rle = dict(size=[height, width], counts=run_lengths(pixels))
    assert np.array_equal(coco_mask.decode(rle), pixels)
    mask = rle_mask(rle, (width, height))
    assert mask.area == pixels.sum()
    # Uncompressed ones begin with what is not marked.
    flat = pixels.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff([0, *edges, flat.size]).tolist()
    assert rle_mask(dict(rle, counts=counts), (width, height)) == mask


@settings(deadline=None)
@given(MASKS, st.integers(0, 99), st.characters(codec='latin-1'))
def test_changed_run_lengths_are_refused_or_cover_the_image(
    pixels, place, character
):
    height, width = pixels.shape
    text = run_lengths(pixels)
    place %= len(text)
    text = text[:place] + character + text[place + 1 :]
    rle = dict(size=[height, width], counts=text)
    try:
        mask = rle_mask(rle, (width, height))
    except ValueError:
        return
    assert coco_mask.decode(rle).sum() == mask.area


@pytest.mark.parametrize(
    ('rle', 'message'),
    [
        (dict(size=[2, 3], counts='6'), 'of size'),
        (dict(counts=[6]), 'of size None'),
        (dict(size=[3, 2], counts=[5]), 'cover'),
        (dict(size=[3, 2], counts=[7, -1]), 'no number of pixels'),
        (dict(size=[3, 2], counts=['6']), 'no number of pixels'),
        (dict(size=[3, 2]), 'cut short'),
        (dict(size=[3, 2], counts='6!'), 'character'),
        (dict(size=[3, 2], counts='Q'), 'cut short'),
    ],
)
def test_what_is_no_rle_is_refused(rle, message):
    with pytest.raises(ValueError, match=message):
        rle_mask(rle, (2, 3))


@settings(deadline=None)
@given(MASKS)
def test_pieces_make_up_the_mask(pixels):
    height, width = pixels.shape
    whole = np.zeros_like(pixels, int)
    for item in pieces(pixels, 'dent'):
        rle = dict(size=[height, width], counts=item.mask.counts)
        piece = coco_mask.decode(rle)
        left, top, right, bottom = item.edges
        assert piece[top:bottom, left:right].sum() == item.mask.area
        assert piece.sum() == item.mask.area
        assert item.mask.counts == run_lengths(piece.astype(bool))
        whole += piece
    assert np.array_equal(whole, pixels)


def test_corners_in_any_order():
    item = box_object('dent', [22.3, 4, 2.1, 14], 'text')
    assert item.edges == (2.1, 4, 22.3, 14)
    assert item.extent == (20.2, 10)
    assert box_object('dent', [1, 2, 3, float('nan')], '').edges is None


def test_polygons_that_are_none_are_left_out():
    triangle = (5, 5, 25, 5, 5, 25)
    item = polygon_object(
        'dent', [triangle, (1, 2, 3, 4), (0, 0, 0, 0, 0, float('nan'))]
    )
    assert item.mask.polygons == (triangle,)
    assert item.edges == (5, 5, 25, 25)
    assert polygon_object('dent', []).edges is None


def test_polygons_have_the_area_of_their_pixels():
    square = Mask('', 0, ((30, 30, 50, 30, 50, 50, 30, 50),))
    assert usable_mask(square, 60, 60).area == 400
    # What is outside does not count.
    assert usable_mask(square, 40, 60).area == 200
    assert usable_mask(square, 30, 30) is None
    far = Mask('', 0, ((0, 0, 1e30, 0, 0, 9),))
    assert usable_mask(far, 40, 40) is None


@pytest.mark.parametrize(
    ('sides', 'size'),
    [
        ((40, 30.0), (40, 30)), (('40', 30), (40, 30)), ((0, 30), None),
        ((None, 30), None), ((1e30, 30), None), (([], 30), None),
    ],
)  # fmt: skip
def test_sizes_that_can_be_an_images(sides, size):
    assert image_size(*sides) == size


BOX = box_object('dent', [20, 40, 60, 80], 'as drawn')


@pytest.mark.parametrize(
    ('drawn', 'size', 'expected'),
    [
        ((200, 100), (100, 50), (10, 20, 30, 40)),
        ((200, 100), (400, 200), (40, 80, 120, 160)),
        # 1001 x 500 in halves: a side is rounded.
        ((1001, 500), (500, 250), (9.99, 20, 29.97, 40)),
        ((200, 100), (100, 60), None),  # by other factors
        ((200, 100), (100, 200), None),  # turned
        ((0, 0), (100, 50), None),  # some tools write no size so
        ((100, 60), (200, 120), None),  # it was not drawn there: beyond
    ],
)
def test_boxes_of_an_image_that_was_scaled(drawn, size, expected):
    found = scaled([BOX], drawn, size)
    assert (found and found[0].edges) == expected
    if found:
        assert found[0].text == 'as drawn'


def test_outlines_are_scaled_and_masks_of_pixels_are_not():
    outline = polygon_object('dent', [[20, 40, 60, 40, 60, 80]])
    (found,) = scaled([outline], (200, 100), (100, 50))
    assert found.mask.polygons == ((10, 20, 30, 20, 30, 40),)
    assert found.edges == (10, 20, 30, 40)
    (piece,) = pieces(np.ones((4, 4), bool), 'dent')
    assert scaled([outline, piece], (200, 100), (100, 50)) is None


def test_objects_without_a_place_stay_so():
    nowhere = box_object('dent', [], 'nowhere')
    assert scaled([nowhere], (200, 100), (100, 50)) == (nowhere,)
