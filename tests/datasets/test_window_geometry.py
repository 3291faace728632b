"""Properties of windows, of the masks in them, and of free boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.bank.compositing import crop, intersect
from mmdet_ddpm_moco.datasets.window_geometry import (
    FEATHER,
    defect_alpha,
    find_free_box,
    fits_whole,
    grow,
    place_window,
    window_size,
)

RIM = FEATHER + 1
many = settings(max_examples=100, deadline=None, derandomize=True)
few = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def scenes(draw, smallest=1):
    """An image size, a box inside it, a window size and a seed."""
    size = draw(st.tuples(*[st.integers(smallest, 90)] * 2))
    box = []
    for total in size:
        start = draw(st.integers(0, total - 1))
        box.append((start, draw(st.integers(1, total - start))))
    (x, w), (y, h) = box
    window = draw(st.tuples(*[st.integers(smallest, 110)] * 2))
    return size, (x, y, w, h), window, draw(st.integers(0, 2**16))


def random_mask(size, box, seed):
    """Pixels of a ragged defect; all inside its box."""
    mask = np.zeros(size[::-1], bool)
    part = crop(mask, box)
    part[:] = np.random.RandomState(seed).rand(*part.shape) < 0.4
    return mask


def slow_visible(window, size, box, mask):
    """The defect's pixels further than the rim from every inner edge."""
    x, y, w, h = window
    region = np.zeros((h, w), bool)
    for v, u in np.ndindex(h, w):
        column, row = x + u, y + v
        seam = (
            (x > 0 and u < RIM)
            or (y > 0 and v < RIM)
            or (x + w < size[0] and u >= w - RIM)
            or (y + h < size[1] and v >= h - RIM)
        )
        inside = (
            box[0] <= column < box[0] + box[2]
            and box[1] <= row < box[1] + box[3]
        )
        region[v, u] = (
            inside and not seam and (mask is None or mask[row, column])
        )
    return region


class TestPlaceWindow:
    @many
    @given(scenes())
    def test_inside_the_image_and_of_the_given_size(self, scene):
        size, box, wanted, seed = scene
        window = place_window(box, size, wanted, np.random.RandomState(seed))
        assert intersect(window, (0, 0, *size)) == window
        assert window[2:] == (min(wanted[0], size[0]), min(wanted[1], size[1]))
        assert all(type(number) is int for number in window)

    @many
    @given(scenes())
    def test_a_window_contains_the_defect_or_is_inside_it(self, scene):
        size, box, wanted, seed = scene
        window = place_window(box, size, wanted, np.random.RandomState(seed))
        for axis in (0, 1):
            start, length = window[axis], window[axis + 2]
            first, extent = box[axis], box[axis + 2]
            if extent <= length:
                assert start <= first
                assert first + extent <= start + length
            else:
                assert first <= start
                assert start + length <= first + extent

    @many
    @given(scenes())
    def test_the_rim_is_inside_where_there_is_room(self, scene):
        size, box, wanted, seed = scene
        window = place_window(box, size, wanted, np.random.RandomState(seed))
        for axis in (0, 1):
            start, length = window[axis], window[axis + 2]
            if box[axis + 2] + 2 * RIM <= length:
                low = max(box[axis] - RIM, 0)
                high = min(box[axis] + box[axis + 2] + RIM, size[axis])
                assert start <= low and high <= start + length

    def test_every_allowed_place_occurs(self):
        rng = np.random.RandomState(0)
        places = {
            place_window((40, 41, 10, 12), (100, 100), (24, 24), rng)[:2]
            for _ in range(600)
        }
        # 40 + 10 + RIM - 24 <= x <= 40 - RIM, and alike for y.
        assert {x for x, _ in places} == set(range(31, 36))
        assert {y for _, y in places} == set(range(34, 37))

    def test_the_same_seed_places_alike(self):
        arguments = (30, 30, 5, 5), (90, 90), (40, 40)
        a, b = (
            [place_window(*arguments, rng) for _ in range(20)]
            for rng in map(np.random.RandomState, (3, 3))
        )
        assert a == b and len(set(a)) > 1


class TestDefectAlpha:
    @few
    @given(scenes(), st.booleans())
    def test_255_exactly_on_the_visible_part(self, scene, ragged):
        size, box, wanted, seed = scene
        window = place_window(box, size, wanted, np.random.RandomState(seed))
        mask = random_mask(size, box, seed) if ragged else None
        alpha = defect_alpha(window, size, box, mask)
        assert alpha.dtype == np.uint8 and alpha.shape == window[:1:-1]
        visible = slow_visible(window, size, box, mask)
        assert np.array_equal(alpha == 255, visible)

    @many
    @given(scenes(), st.booleans())
    def test_no_seam_along_an_edge_inside_the_image(self, scene, ragged):
        size, box, wanted, seed = scene
        window = place_window(box, size, wanted, np.random.RandomState(seed))
        x, y, w, h = window
        mask = random_mask(size, box, seed) if ragged else None
        alpha = defect_alpha(window, size, box, mask)
        if x > 0:
            assert not alpha[:, 0].any()
        if y > 0:
            assert not alpha[0].any()
        if x + w < size[0]:
            assert not alpha[:, -1].any()
        if y + h < size[1]:
            assert not alpha[-1].any()

    @many
    @given(scenes(smallest=16))
    def test_a_window_of_at_least_16_pixels_has_a_mask(self, scene):
        size, box, wanted, seed = scene
        window = place_window(box, size, wanted, np.random.RandomState(seed))
        assert (defect_alpha(window, size, box, None) == 255).any()

    def test_the_whole_defect_counts_where_it_fits_with_its_rim(self):
        box = (30, 40, 12, 7)
        for seed in range(30):
            rng = np.random.RandomState(seed)
            window = place_window(box, (80, 90), (22, 17), rng)
            alpha = defect_alpha(window, (80, 90), box, None)
            assert (alpha == 255).sum() == 12 * 7

    def test_the_edge_of_the_image_is_no_seam(self):
        alpha = defect_alpha((0, 0, 20, 20), (20, 20), (0, 0, 20, 20), None)
        assert (alpha == 255).all()
        alpha = defect_alpha((0, 0, 20, 20), (21, 20), (0, 0, 21, 20), None)
        assert (alpha[:, :15] == 255).all()
        assert (alpha[:, 15:] < 255).all() and not alpha[:, -1].any()

    def test_pixels_of_the_mask_outside_its_box_do_not_count(self):
        mask = np.ones((40, 40), bool)
        alpha = defect_alpha((0, 0, 40, 40), (40, 40), (10, 10, 5, 5), mask)
        assert (alpha == 255).sum() == 25


class TestGrow:
    def test_it_is_clipped_to_the_image(self):
        assert grow((5, 6, 3, 2), 2, (50, 50)) == (3, 4, 7, 6)
        assert grow((0, 6, 3, 2), 4, (6, 9)) == (0, 2, 6, 7)


class TestFindFreeBox:
    @many
    @given(
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.tuples(st.integers(20, 70), st.integers(20, 70)),
        st.lists(
            st.tuples(
                st.integers(0, 60),
                st.integers(0, 60),
                st.integers(1, 20),
                st.integers(1, 20),
            ),
            max_size=4,
        ),
        st.integers(0, 2**16),
    )
    def test_inside_the_image_and_clear_of_occupied_boxes(
        self, size, image_size, occupied, seed
    ):
        rng = np.random.RandomState(seed)
        place = find_free_box(size, image_size, occupied, rng)
        if place is None:
            return
        assert place[2:] == size
        assert intersect(place, (0, 0, *image_size)) == place
        x, y, w, h = place
        shown = defect_alpha((0, 0, *image_size), image_size, place, None)
        for box in occupied:
            bx, by, bw, bh = box = intersect(box, (0, 0, *image_size))
            if not bw or not bh:
                continue
            # Pixels between the two, by the larger of the axes.
            gap_x = max(bx - (x + w), x - (bx + bw))
            gap_y = max(by - (y + h), y - (by + bh))
            assert max(gap_x, gap_y) >= RIM
            assert not crop(shown, box).any()

    def test_it_finds_the_only_place(self):
        # A free strip at the right, as wide as the defect and its rim.
        occupied = [(0, 0, 40, 60)]
        place = find_free_box(
            (15, 60), (60, 60), occupied, np.random.RandomState(0), tries=500
        )
        assert place == (45, 0, 15, 60)

    @pytest.mark.parametrize('size', [(61, 5), (5, 61)])
    def test_none_for_a_box_larger_than_the_image(self, size):
        rng = np.random.RandomState(0)
        assert find_free_box(size, (60, 60), [], rng) is None

    def test_none_where_all_is_occupied(self):
        rng = np.random.RandomState(0)
        assert find_free_box((4, 4), (60, 60), [(0, 0, 60, 60)], rng) is None

    def test_as_large_as_the_image(self):
        rng = np.random.RandomState(0)
        assert find_free_box((60, 50), (60, 50), [], rng) == (0, 0, 60, 50)


def sizes_of(box, max_window):
    rng = np.random.RandomState(0)
    return {window_size(box, max_window, rng) for _ in range(200)}


@many
@given(
    st.tuples(*[st.integers(1, 260)] * 2), st.sampled_from([16, 50, 64, 128])
)
def test_windows_contain_their_defect_if_the_area_allows(sides, max_window):
    box = (0, 0, *sides)
    least = [-(-(side + 2 * RIM) // 16) * 16 for side in sides]
    fits = least[0] * least[1] <= max_window**2
    assert fits_whole(box, max_window) == fits
    for size in sizes_of(box, max_window):
        assert size[0] % 16 == size[1] % 16 == 0 and min(size) >= 16
        assert size[0] * size[1] <= max_window**2
        for side, wanted in zip(size, least):
            # Room of 6 to 21 pixels, at most a step more than asked for.
            assert side <= wanted + 32
            if fits:
                assert side >= wanted


def test_a_small_defect_has_background_around_it():
    """Room of 6 to 21 pixels beside the rim, in steps of 16."""
    assert sizes_of((0, 0, 10, 16), 64) == {
        (w, h) for w in (32, 48) for h in (32, 48)
    }


def test_a_window_contains_a_long_scratch():
    assert fits_whole((0, 0, 20, 190), 128)
    assert {h for _, h in sizes_of((0, 0, 20, 190), 128)} <= {208, 224}
    assert not fits_whole((0, 0, 90, 190), 128)


@pytest.mark.parametrize(
    'sides, size',
    [
        ((190, 190), (128, 128)),
        ((60, 250), (80, 192)),
        ((250, 60), (192, 80)),
    ],
)
def test_a_larger_defect_gets_the_largest_window(sides, size):
    assert sizes_of((0, 0, *sides), 128) == {size}
