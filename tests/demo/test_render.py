"""What a plate's labels promise, checked on the pixels themselves."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.demo.defects import DEFECTS
from mmdet_ddpm_moco.demo.render import (
    GAP,
    MARGIN,
    VISIBLE,
    render_plate,
    visible_mask,
)

seeds = st.integers(0, 10_000)
kinds = st.lists(st.sampled_from(sorted(DEFECTS)), min_size=1, max_size=3)
few = settings(max_examples=25, deadline=None, derandomize=True)


def render(seed, defects, size=128):
    return render_plate(np.random.default_rng(seed), defects, size)


def bounds(mask):
    rows, columns = np.nonzero(mask)
    x, y = columns.min(), rows.min()
    return [x, y, columns.max() - x + 1, rows.max() - y + 1]


def distance_to(mask):
    """Chessboard distance of each pixel to the mask."""
    return cv2.distanceTransform(
        (~mask).astype(np.uint8), cv2.DIST_C, cv2.DIST_MASK_3
    )


@few
@given(seeds, kinds)
def test_boxes_are_the_bounds_of_separate_masks(seed, defects):
    image, found = render(seed, defects)
    assert image.dtype == np.uint8 and image.shape == (128, 128)
    assert [defect.label for defect in found] == defects
    for number, defect in enumerate(found):
        assert defect.mask.dtype == bool
        assert defect.mask.shape == image.shape
        assert defect.box == bounds(defect.mask)
        parts, _ = cv2.connectedComponents(defect.mask.astype(np.uint8))
        assert parts == 2  # One of them is the background.
        for other in found[:number]:
            assert distance_to(other.mask)[defect.mask].min() > 2 * MARGIN


# This scratch has visible crumbs right beside its mask.
@example(31, ['scratch'])
@few
@given(seeds, kinds)
def test_a_mask_holds_what_its_defect_visibly_changes(seed, defects):
    image, found = render(seed, defects)
    without, others = render(seed, defects[:-1])
    # Nothing else depends on the last defect.
    for one, same in zip(found, others):
        assert np.array_equal(one.mask, same.mask)

    change = image.astype(int) - without
    visible = np.abs(change) >= VISIBLE
    mask = found[-1].mask
    assert not visible[~mask].any()
    assert bounds(visible) == found[-1].box
    # What is filled is within reach of what is visible, except in a dent,
    # whose middle faces the light as the plate does.
    if found[-1].label != 'dent':
        assert visible[mask].mean() > 0.5


@few
@given(seeds, kinds)
def test_far_from_all_masks_the_plate_is_as_without_defects(seed, defects):
    image, found = render(seed, defects)
    bare, none = render(seed, [])
    assert none == []
    near = np.zeros(image.shape, bool)
    for defect in found:
        near |= distance_to(defect.mask) <= MARGIN
    assert np.array_equal(image[~near], bare[~near])


@pytest.mark.parametrize('seed', range(8))
def test_each_kind_has_its_shape(seed):
    bare, _ = render(seed, [])

    def change_and_mask(label):
        image, [defect] = render(seed, [label])
        return (image.astype(int) - bare)[defect.mask], defect

    dark, _ = change_and_mask('corrosion')
    assert dark.mean() < -2

    pair, dent = change_and_mask('dent')
    # A dent at the edge may show one slope alone.
    x, y, width, height = dent.box
    if x > 0 and y > 0 and x + width < 128 and y + height < 128:
        assert pair.min() <= -VISIBLE and pair.max() >= VISIBLE
    assert max(width, height) <= 48

    _, scratch = change_and_mask('scratch')
    diagonal = np.hypot(*scratch.box[2:])
    assert scratch.mask.sum() / diagonal < 9
    assert diagonal < 130


def test_equal_generators_give_equal_plates():
    defects = ['dent', 'scratch']
    image, found = render(3, defects)
    again, found_again = render(3, defects)
    assert np.array_equal(image, again)
    assert [d.box for d in found] == [d.box for d in found_again]
    assert not np.array_equal(image, render(4, defects)[0])
    # One generator used twice draws two plates.
    rng = np.random.default_rng(3)
    first, _ = render_plate(rng, defects, 128)
    second, _ = render_plate(rng, defects, 128)
    assert not np.array_equal(first, second)


def test_visible_mask_joins_what_is_near_and_drops_the_rest():
    change = np.zeros((40, 40), np.int16)
    change[10:14, 10:14] = VISIBLE
    change[10:14, 17:21] = -VISIBLE
    change[1:3, 30:32] = 100  # Strong but small and far away.
    change[25:39, 2:9] = VISIBLE - 1  # Large but not visible.
    mask = visible_mask(change)
    assert bounds(mask) == [10, 10, 11, 4]
    assert mask[11:13, 10:21].all()
    assert mask.sum() <= 11 * 4


def test_visible_mask_fills_holes():
    change = np.zeros((40, 40), np.int16)
    cv2.circle(change, (20, 20), GAP + 5, 50, 2)
    assert visible_mask(change)[20, 20]


def test_visible_mask_does_not_reach_for_the_edge():
    change = np.zeros((40, 40), np.int16)
    change[2:10, 2:10] = 50
    assert bounds(visible_mask(change)) == [2, 2, 8, 8]
    assert not visible_mask(np.zeros((40, 40), np.int16)).any()


def test_no_room_is_one_line_with_a_fix():
    with pytest.raises(ValueError, match='no room for 60 defects') as caught:
        render(0, ['dent'] * 60, 96)
    assert '\n' not in str(caught.value)
