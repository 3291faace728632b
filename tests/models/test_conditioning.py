import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.models.conditioning import fill_hole


def slow_fill(image, known):
    """Push-pull by recursion, with means of blocks taken one by one."""
    height, width = known.shape
    if (height, width) == (1, 1):
        return image / known if known[0, 0] else image * 0
    small_image = np.zeros(((height + 1) // 2, (width + 1) // 2))
    small_known = small_image.copy()
    for y, x in np.ndindex(small_image.shape):
        block = np.s_[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        small_image[y, x] = image[block].mean()
        small_known[y, x] = known[block].mean()
    small = slow_fill(small_image, small_known)
    out = np.zeros((height, width))
    for y, x in np.ndindex(out.shape):
        # Between the centres of the four coarse pixels around it.
        v = (y + 0.5) * small.shape[0] / height - 0.5
        u = (x + 0.5) * small.shape[1] / width - 0.5
        v, u = max(v, 0), max(u, 0)
        y0, x0 = int(v), int(u)
        y1 = min(y0 + 1, small.shape[0] - 1)
        x1 = min(x0 + 1, small.shape[1] - 1)
        v, u = v - y0, u - x0
        above = (1 - u) * small[y0, x0] + u * small[y0, x1]
        below = (1 - u) * small[y1, x0] + u * small[y1, x1]
        coarse = (1 - v) * above + v * below
        out[y, x] = image[y, x] + (1 - known[y, x]) * coarse
    return out


@pytest.mark.parametrize('size', [(8, 8), (16, 8), (5, 7), (1, 6), (1, 1)])
@pytest.mark.parametrize('channels', [1, 3])
def test_filling_equals_a_slow_reference(size, channels):
    rng = np.random.RandomState(0)
    image = rng.rand(2, channels, *size) * 2 - 1
    alpha = np.clip(rng.rand(2, 1, *size) * 2 - 0.5, 0, 1)
    filled = fill_hole(torch.from_numpy(image), torch.from_numpy(alpha))
    for i, k in np.ndindex(2, channels):
        known = 1 - alpha[i, 0]
        expected = slow_fill(image[i, k] * known, known)
        np.testing.assert_allclose(filled[i, k].numpy(), expected, atol=1e-12)


@given(
    st.integers(1, 24), st.integers(1, 24), st.floats(-1, 1), st.integers(0, 9)
)
def test_ground_of_one_tone_runs_in_unchanged(height, width, tone, seed):
    alpha = torch.rand(
        1, 1, height, width, generator=torch.Generator().manual_seed(seed)
    ).round()
    alpha[..., 0, 0] = 0
    image = torch.full((1, 1, height, width), tone)
    hidden = torch.where(alpha == 1, 77.0, image)
    torch.testing.assert_close(fill_hole(hidden, alpha), image)


@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 99))
def test_only_what_is_known_counts_and_it_stays(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 1, height, width, generator=generator) * 2 - 1
    alpha = torch.rand(1, 1, height, width, generator=generator) * 2
    alpha = (alpha - 0.5).clamp(0, 1)
    filled = fill_hole(image, alpha)
    other = torch.where(alpha == 1, torch.zeros(()), image)
    assert torch.equal(filled, fill_hole(other, alpha))
    assert torch.equal(filled[alpha == 0], image[alpha == 0])
    # A mean never leaves the range of what it is taken of.
    seen = image[alpha < 1]
    if len(seen):
        assert filled.min() >= min(seen.min(), 0) - 1e-6
        assert filled.max() <= max(seen.max(), 0) + 1e-6


def test_a_window_of_which_nothing_is_known_is_grey():
    image = torch.rand(2, 3, 8, 8)
    assert torch.equal(fill_hole(image, torch.ones(2, 1, 8, 8)), image * 0)
