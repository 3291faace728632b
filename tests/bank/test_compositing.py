"""Compositing against loops over single pixels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmdet_ddpm_moco.bank.compositing import (
    alpha_box,
    composite,
    crop,
    intersect,
    overlaps,
    soft_alpha,
)

few = settings(max_examples=40, deadline=None, derandomize=True)
shapes = st.tuples(st.integers(1, 11), st.integers(1, 11))
boxes = st.tuples(
    st.integers(-4, 9),
    st.integers(-4, 9),
    st.integers(0, 8),
    st.integers(0, 8),
)


def slow_alpha(region, feather):
    """Unrounded alpha, from the distance to each pixel of the region."""
    inside = np.argwhere(region)
    alpha = np.zeros(region.shape)
    for y, x in np.ndindex(*region.shape):
        if len(inside):
            distance = min(math.hypot(y - v, x - u) for v, u in inside)
            alpha[y, x] = 255 * max(0, 1 - distance / (feather + 1))
    return alpha


def pixels_of(box):
    x, y, w, h = box
    return {(u, v) for u in range(x, x + w) for v in range(y, y + h)}


class TestSoftAlpha:
    @few
    @given(hnp.arrays(bool, shapes), st.integers(0, 6))
    def test_it_is_the_distance_to_the_region(self, region, feather):
        alpha = soft_alpha(region, feather)
        exact = slow_alpha(region, feather)
        assert alpha.dtype == np.uint8 and alpha.shape == region.shape
        assert np.abs(alpha - exact).max() <= 1.01
        assert ((alpha == 255) == region).all()
        # What is feather + 1 pixels away, or more, is not to be touched.
        assert (alpha[exact == 0] == 0).all()

    @pytest.mark.parametrize('feather', [0, 1, 4, 300])
    def test_a_row_away_from_one_pixel(self, feather):
        region = np.zeros((1, 400), bool)
        region[0, 0] = True
        alpha = soft_alpha(region, feather)[0].astype(int)
        assert (np.diff(alpha) <= 0).all()
        assert (alpha == 255).sum() == 1
        assert (alpha[: feather + 1] > 0).all() or feather > 200
        assert (alpha[feather + 1 :] == 0).all()

    def test_nothing_and_everything(self):
        assert not soft_alpha(np.zeros((5, 7), bool), 4).any()
        assert (soft_alpha(np.ones((5, 7), bool), 4) == 255).all()

    def test_a_region_of_uint8(self):
        region = np.zeros((9, 9), np.uint8)
        region[4, 4] = 1
        assert np.array_equal(soft_alpha(region, 2), soft_alpha(region > 0, 2))


class TestComposite:
    @pytest.mark.parametrize('shape', [(6, 5), (6, 5, 1), (6, 5, 3)])
    def test_against_a_loop_in_whole_numbers(self, shape):
        rng = np.random.RandomState(0)
        below, above = rng.randint(0, 256, (2, *shape)).astype(np.uint8)
        alpha = rng.randint(0, 256, shape[:2]).astype(np.uint8)
        mixed = composite(below, above, alpha)
        assert mixed.dtype == np.uint8 and mixed.shape == shape
        for place in np.ndindex(*shape):
            a = int(alpha[place[:2]])
            total = int(below[place]) * (255 - a) + int(above[place]) * a
            # Halves do not occur: 255 is odd.
            assert mixed[place] == (2 * total + 255) // 510

    def test_every_mix_of_two_levels(self):
        alpha = np.arange(256, dtype=np.uint8)[None]
        for low, high in [(0, 255), (255, 0), (7, 7), (254, 255), (255, 255)]:
            below = np.full((1, 256), low, np.uint8)
            above = np.full((1, 256), high, np.uint8)
            total = low * (255 - alpha.astype(int)) + high * alpha.astype(int)
            mixed = composite(below, above, alpha)
            assert np.array_equal(mixed, (2 * total + 255) // 510)

    def test_alpha_0_keeps_and_255_replaces_exactly(self):
        rng = np.random.RandomState(1)
        below, above = rng.randint(0, 256, (2, 40, 40, 3)).astype(np.uint8)
        before = below.copy(), above.copy()
        alpha = np.zeros((40, 40), np.uint8)
        assert np.array_equal(composite(below, above, alpha), below)
        alpha[:] = 255
        assert np.array_equal(composite(below, above, alpha), above)
        alpha[:, :20] = 0
        mixed = composite(below, above, alpha)
        assert np.array_equal(mixed[:, :20], below[:, :20])
        assert np.array_equal(mixed[:, 20:], above[:, 20:])
        assert np.array_equal(below, before[0])
        assert np.array_equal(above, before[1])


class TestAlphaBox:
    @few
    @given(
        hnp.arrays(
            np.uint8, shapes, elements=st.sampled_from((0, 1, 254, 255))
        )
    )
    def test_it_bounds_the_pixels_of_255(self, alpha):
        rows, columns = np.nonzero(alpha == 255)
        if not len(rows):
            assert alpha_box(alpha) is None
            return
        x, y, w, h = alpha_box(alpha)
        assert (x, y) == (columns.min(), rows.min())
        assert (x + w - 1, y + h - 1) == (columns.max(), rows.max())

    def test_254_is_no_defect(self):
        assert alpha_box(np.full((4, 4), 254, np.uint8)) is None

    def test_it_undoes_soft_alpha(self):
        region = np.zeros((30, 40), bool)
        region[8:20, 5:33] = True
        assert alpha_box(soft_alpha(region, 4)) == (5, 8, 28, 12)


class TestBoxes:
    @few
    @given(boxes, boxes)
    def test_intersect_and_overlaps_as_sets_of_pixels(self, a, b):
        both = pixels_of(a) & pixels_of(b)
        found = intersect(a, b)
        assert pixels_of(found) == both
        assert found[2] >= 0 and found[3] >= 0
        assert overlaps(a, b) == overlaps(b, a) == bool(both)

    def test_crop_is_a_view_of_columns_by_x_and_rows_by_y(self):
        image = np.arange(5 * 7 * 2).reshape(5, 7, 2)
        part = crop(image, (4, 1, 2, 3))
        assert part.shape == (3, 2, 2)
        assert part[0, 0, 0] == image[1, 4, 0]
        part[:] = 0
        assert not image[1:4, 4:6].any()
