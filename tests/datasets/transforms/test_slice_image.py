"""Slices of an image: where they are, and what they hold."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.datasets.transforms.slice_image import (
    SliceImage,
    slice_starts,
)


@given(st.integers(1, 3000), st.integers(32, 800), st.floats(0, 0.9))
def test_slices_cover_a_side_and_overlap_as_asked(length, size, overlap):
    starts = slice_starts(length, size, overlap)
    assert starts[0] == 0
    if length <= size:
        assert starts == [0]
        return
    assert starts[-1] + size == length
    for first, second in pairwise(starts):
        # Rounded down to whole pixels, twice.
        assert first < second <= first + max(1, size * (1 - overlap)) + 1


def test_there_are_no_more_slices_than_needed():
    assert slice_starts(1000, 400, 0.25) == [0, 300, 600]
    assert slice_starts(800, 400, 0) == [0, 400]


def test_each_slice_is_its_part_of_the_image():
    image = np.random.default_rng(0).integers(0, 255, (90, 130, 3), np.uint8)
    views = SliceImage(size=64, overlap=0.25).transform(
        dict(img=image.copy(), img_id=7)
    )
    assert len(views['img']) == 2 * 3
    seen = np.zeros(image.shape[:2], bool)
    for part, (x, y, width, height), full in zip(
        views['img'], views['slice_box'], views['full_shape'], strict=True
    ):
        assert full == (90, 130)
        np.testing.assert_array_equal(
            part, image[y : y + height, x : x + width]
        )
        seen[y : y + height, x : x + width] = True
    assert seen.all()
    assert views['img_id'] == [7] * 6


def test_transforms_see_one_slice_at_a_time():
    resize = dict(type='mmdet.Resize', scale=(32, 32), keep_ratio=False)
    views = SliceImage(size=64, transforms=[resize]).transform(
        dict(img=np.zeros((64, 100, 3), np.uint8))
    )
    assert [part.shape for part in views['img']] == [(32, 32, 3)] * 2
    assert views['scale_factor'] == [(0.5, 0.5)] * 2


@pytest.mark.parametrize('wrong', [dict(size=8), dict(size=64, overlap=1)])
def test_arguments_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(reversed(wrong))):
        SliceImage(**wrong)
