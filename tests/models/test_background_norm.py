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
    alpha = torch.rand(2, 1, size, size, generator=generator) * 2 - 0.5
    return image.double(), alpha.clamp(0, 1).double()


@pytest.mark.parametrize('channels', [1, 3])
def test_it_is_the_median_and_the_range_of_the_middle_pixels(channels):
    image, alpha = window(channels)
    tone, spread = background_statistics(image, alpha)
    for i in range(2):
        known = alpha[i, 0].numpy() == 0
        ranges = []
        for k in range(channels):
            values = image[i, k].numpy()[known]
            assert tone[i, k, 0, 0].item() == pytest.approx(np.median(values))
            low, high = np.quantile(values, [0.1, 0.9])
            ranges.append((high - low) / 2.5631)
        expected = np.sqrt(np.mean(np.square(ranges)))
        assert spread[i, 0, 0, 0].item() == pytest.approx(expected)


def test_of_normal_grain_the_spread_is_the_standard_deviation():
    grain = 0.3 + 0.07 * torch.randn(
        1, 1, 256, 256, generator=torch.Generator().manual_seed(0)
    )
    tone, spread = background_statistics(grain, torch.zeros(1, 1, 256, 256))
    assert tone.item() == pytest.approx(0.3, abs=0.002)
    assert spread.item() == pytest.approx(0.07, rel=0.02)


def test_a_bright_neighbor_hardly_counts():
    """Of two scratches one is painted: the other is no grain."""
    grain = 0.05 * torch.randn(
        1, 1, 64, 64, generator=torch.Generator().manual_seed(0)
    )
    alpha = torch.zeros(1, 1, 64, 64)
    alpha[..., 10:16] = 1
    alone = background_statistics(grain, alpha)[1]
    grain[..., 30:33] = 0.8
    beside = background_statistics(grain, alpha)[1]
    assert alone < beside < 1.15 * alone
    assert grain[alpha == 0].std() > 3 * alone


def test_what_is_masked_does_not_count():
    image, alpha = window()
    other = torch.where(alpha > 0, 0.9, image)
    assert not torch.equal(other, image)
    for a, b in zip(
        background_statistics(image, alpha),
        background_statistics(other, alpha),
    ):
        assert torch.equal(a, b)


def test_where_nothing_is_known_the_window_itself_is_measured():
    image, alpha = window()
    alpha[1] = 1
    tone, spread = background_statistics(image, alpha)
    pixels = image[1].numpy()
    low, median, high = np.quantile(pixels, [0.1, 0.5, 0.9])
    assert tone[1].item() == pytest.approx(median)
    assert spread[1].item() == pytest.approx((high - low) / 2.5631)
    alone = background_statistics(image[:1], alpha[:1])
    assert torch.equal(tone[:1], alone[0])
    assert torch.equal(spread[:1], alone[1])


def test_ground_of_one_tone_has_the_least_spread():
    image = torch.full((1, 3, 8, 8), -0.4)
    tone, spread = background_statistics(image, torch.zeros(1, 1, 8, 8))
    torch.testing.assert_close(tone, torch.full((1, 3, 1, 1), -0.4))
    assert spread.item() == pytest.approx(MIN_SCALE)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(MIN_SCALE, 1))
def test_decoding_undoes_encoding(value, mean, spread):
    """For every pair of pixel and ground that an image can hold."""
    value, mean, spread = (
        torch.full((1, 1, 1, 1), v, dtype=torch.float64)
        for v in (value, mean, spread)
    )
    back = denormalize(normalize(value, mean, spread), mean, spread)
    limit = mean + spread * np.sinh(6) * torch.sign(value - mean)
    beyond = (value - mean).abs() > (limit - mean).abs()
    torch.testing.assert_close(back, torch.where(beyond, limit, value))


def test_grain_of_any_contrast_looks_alike():
    grain = torch.randn(1, 1, 32, 32) * 0.05
    mask = torch.zeros(1, 1, 32, 32)
    first = normalize(grain, *background_statistics(grain, mask))
    finer = grain * 0.4 - 0.6
    second = normalize(finer, *background_statistics(finer, mask))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


def test_what_runs_away_stays_finite():
    mean, spread = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.01)
    wild = torch.tensor([1e4, -1e4]).view(1, 1, 1, 2)
    assert torch.isfinite(denormalize(wild, mean, spread)).all()
