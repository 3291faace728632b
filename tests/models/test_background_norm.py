import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.models.background_norm import (
    MIN_SCALE,
    background_statistics,
    denormalize,
    normalize,
)


def window(channels=1, size=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, channels, size, size, generator=generator) * 2 - 1
    mask = torch.rand(2, 1, size, size, generator=generator) * 2 - 0.5
    return image.double(), mask.clamp(0, 1).double()


@pytest.mark.parametrize('channels', [1, 3])
def test_median_and_scale_are_those_of_numpy_quantiles(channels):
    image, mask = window(channels)
    median, scale = background_statistics(image, mask)
    for i in range(2):
        background = mask[i, 0].numpy() == 0
        ranges = []
        for k in range(channels):
            values = image[i, k].numpy()[background]
            assert median[i, k, 0, 0].item() == pytest.approx(
                np.median(values)
            )
            low, high = np.quantile(values, [0.1, 0.9])
            ranges.append((high - low) / 2.5631)
        expected = np.sqrt(np.mean(np.square(ranges)))
        assert scale[i, 0, 0, 0].item() == pytest.approx(expected)


def test_the_scale_of_normal_noise_is_its_standard_deviation():
    grain = 0.3 + 0.07 * torch.randn(
        1, 1, 256, 256, generator=torch.Generator().manual_seed(0)
    )
    median, scale = background_statistics(grain, torch.zeros(1, 1, 256, 256))
    assert median.item() == pytest.approx(0.3, abs=0.002)
    assert scale.item() == pytest.approx(0.07, rel=0.02)


def test_the_scale_is_robust_to_a_bright_neighbor():
    """One of two scratches is masked; the other is not noise."""
    grain = 0.05 * torch.randn(
        1, 1, 64, 64, generator=torch.Generator().manual_seed(0)
    )
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 10:16] = 1
    single = background_statistics(grain, mask)[1]
    grain[..., 30:33] = 0.8
    beside = background_statistics(grain, mask)[1]
    assert single < beside < 1.15 * single
    assert grain[mask == 0].std() > 3 * single


def test_masked_pixels_have_no_effect():
    image, mask = window()
    other = torch.where(mask > 0, 0.9, image)
    assert not torch.equal(other, image)
    for a, b in zip(
        background_statistics(image, mask),
        background_statistics(other, mask),
    ):
        assert torch.equal(a, b)


def test_without_background_the_whole_window_is_measured():
    image, mask = window()
    mask[1] = 1
    median, scale = background_statistics(image, mask)
    pixels = image[1].numpy()
    low, middle, high = np.quantile(pixels, [0.1, 0.5, 0.9])
    assert median[1].item() == pytest.approx(middle)
    assert scale[1].item() == pytest.approx((high - low) / 2.5631)
    single = background_statistics(image[:1], mask[:1])
    assert torch.equal(median[:1], single[0])
    assert torch.equal(scale[:1], single[1])


def test_a_constant_background_has_the_smallest_scale():
    image = torch.full((1, 3, 8, 8), -0.4)
    median, scale = background_statistics(image, torch.zeros(1, 1, 8, 8))
    torch.testing.assert_close(median, torch.full((1, 3, 1, 1), -0.4))
    assert scale.item() == pytest.approx(MIN_SCALE)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(MIN_SCALE, 1))
def test_denormalize_inverts_normalize(value, mean, scale):
    """For every pixel and background that an image can have."""
    value, mean, scale = (
        torch.full((1, 1, 1, 1), v, dtype=torch.float64)
        for v in (value, mean, scale)
    )
    back = denormalize(normalize(value, mean, scale), mean, scale)
    limit = mean + scale * np.sinh(6) * torch.sign(value - mean)
    beyond = (value - mean).abs() > (limit - mean).abs()
    torch.testing.assert_close(back, torch.where(beyond, limit, value))


def test_noise_of_any_contrast_is_normalized_alike():
    grain = torch.randn(1, 1, 32, 32) * 0.05
    mask = torch.zeros(1, 1, 32, 32)
    first = normalize(grain, *background_statistics(grain, mask))
    finer = grain * 0.4 - 0.6
    second = normalize(finer, *background_statistics(finer, mask))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


def test_extreme_values_stay_finite():
    mean, scale = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.01)
    wild = torch.tensor([1e4, -1e4]).view(1, 1, 1, 2)
    assert torch.isfinite(denormalize(wild, mean, scale)).all()
