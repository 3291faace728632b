"""Procedural defects: their shape, contrast and grain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.datasets.transforms.procedural_defect_augment import (
    contrast,
    paint_defect,
    procedural_shape,
)
from mmdet_ddpm_moco.datasets.window_geometry import FEATHER


@given(st.integers(4, 80), st.integers(4, 80), st.integers(0, 2**32 - 1))
def test_shapes_fill_some_of_their_box(w, h, seed):
    rng = np.random.RandomState(seed)
    shape = procedural_shape((w, h), rng)
    assert shape.shape == (h, w)
    assert shape.dtype == bool
    assert shape.any()


@pytest.mark.parametrize('size', [(60, 8), (8, 60)])
def test_a_line_runs_from_end_to_end(size):
    for seed in range(20):
        shape = procedural_shape(size, np.random.RandomState(seed))
        along = shape.any(0 if size[0] > size[1] else 1)
        assert along.all()
        assert shape.mean() < 0.8  # and does not fill its box


def test_contrast_finds_what_was_painted():
    """A dark defect that fills a third of its box."""
    image = np.full((60, 60, 3), 150, np.uint8)
    image[20:30, 20:40] = 110
    offset, spread = contrast(image, (18, 18, 24, 24))
    assert offset == -40
    # Only its edge counts as grain.
    assert spread < 10


@pytest.mark.parametrize('level', [-50, 30])
def test_contrast_has_the_sign_of_the_defect_and_its_grain(level):
    rng = np.random.RandomState(0)
    image = np.full((90, 90), 120.0)
    image[20:70, 20:70] += level + rng.normal(0, 10, (50, 50))
    image = np.dstack([image.round().astype(np.uint8)] * 3)
    offset, spread = contrast(image, (20, 20, 50, 50))
    assert np.sign(offset) == np.sign(level)
    assert 2 < spread < 12
    assert contrast(image, (0, 0, 90, 90)) == (0, 0)  # no background


def test_paint_changes_only_the_defect_and_its_rim():
    rng = np.random.RandomState(0)
    before = rng.randint(100, 140, (50, 60, 3)).astype(np.uint8)
    region = np.zeros((50, 60), bool)
    region[20:30, 0:25] = True  # at the border of the image
    image = before.copy()
    paint_defect(image, region, -40.0, 0.0, rng)
    change = image.astype(int) - before
    assert (change[region] == -40).all()
    far = np.ones_like(region)
    far[20 - FEATHER : 30 + FEATHER, : 25 + FEATHER] = False
    assert (change[far] == 0).all()
    rim = ~region & ~far
    assert (change[rim] <= 0).all()
    assert (change[rim] > -40).all()


def test_paint_has_the_given_grain_and_no_overflow():
    image = np.full((80, 80, 3), 128, np.uint8)
    region = np.zeros((80, 80), bool)
    region[10:70, 10:70] = True
    paint_defect(image, region, 0.0, 12.0, np.random.RandomState(0))
    assert image[region].std() == pytest.approx(12, rel=0.1)
    assert np.array_equal(image[..., 0], image[..., 2])  # gray stays gray
    image[:] = 250
    paint_defect(image, region, 90.0, 0.0, np.random.RandomState(0))
    assert (image[region] == 255).all()
