import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.models.ground_contrast import (
    MIN_SPREAD,
    decode,
    encode,
    ground_contrast,
)


def window(channels=1, size=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, channels, size, size, generator=generator) * 2 - 1
    alpha = torch.rand(2, 1, size, size, generator=generator) * 2 - 0.5
    return image.double(), alpha.clamp(0, 1).double()


@pytest.mark.parametrize('channels', [1, 3])
def test_it_is_the_weighted_mean_and_deviation(channels):
    image, alpha = window(channels)
    mean, spread = ground_contrast(image, alpha)
    for i in range(2):
        weights = 1 - alpha[i, 0].numpy().ravel()
        variances = []
        for k in range(channels):
            values = image[i, k].numpy().ravel()
            expected = np.average(values, weights=weights)
            assert mean[i, k, 0, 0].item() == pytest.approx(expected)
            variances.append(
                np.average((values - expected) ** 2, weights=weights)
            )
        expected = np.sqrt(np.mean(variances))
        assert spread[i, 0, 0, 0].item() == pytest.approx(expected)


def test_what_is_masked_does_not_count():
    image, alpha = window()
    other = torch.where(alpha == 1, 0.9, image)
    assert not torch.equal(other, image)
    for a, b in zip(
        ground_contrast(image, alpha), ground_contrast(other, alpha)
    ):
        assert torch.equal(a, b)


def test_where_nothing_is_known_the_window_itself_is_measured():
    image, alpha = window()
    alpha[1] = 1
    mean, spread = ground_contrast(image, alpha)
    assert mean[1].item() == pytest.approx(image[1].mean().item())
    assert spread[1].item() == pytest.approx(
        image[1].std(unbiased=False).item()
    )
    alone = ground_contrast(image[:1], alpha[:1])
    assert torch.equal(mean[:1], alone[0])
    assert torch.equal(spread[:1], alone[1])


def test_ground_of_one_tone_has_the_least_spread():
    image = torch.full((1, 3, 8, 8), -0.4)
    mean, spread = ground_contrast(image, torch.zeros(1, 1, 8, 8))
    torch.testing.assert_close(mean, torch.full((1, 3, 1, 1), -0.4))
    assert spread.item() == pytest.approx(MIN_SPREAD)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(MIN_SPREAD, 1))
def test_decoding_undoes_encoding(value, mean, spread):
    """For every pair of pixel and ground that an image can hold."""
    value, mean, spread = (
        torch.full((1, 1, 1, 1), v, dtype=torch.float64)
        for v in (value, mean, spread)
    )
    back = decode(encode(value, mean, spread), mean, spread)
    limit = mean + spread * np.sinh(6) * torch.sign(value - mean)
    beyond = (value - mean).abs() > (limit - mean).abs()
    torch.testing.assert_close(back, torch.where(beyond, limit, value))


def test_grain_of_any_contrast_looks_alike():
    grain = torch.randn(1, 1, 32, 32) * 0.05
    mask = torch.zeros(1, 1, 32, 32)
    first = encode(grain, *ground_contrast(grain, mask))
    finer = grain * 0.4 - 0.6
    second = encode(finer, *ground_contrast(finer, mask))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


def test_what_runs_away_stays_finite():
    mean, spread = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.01)
    wild = torch.tensor([1e4, -1e4]).view(1, 1, 1, 2)
    assert torch.isfinite(decode(wild, mean, spread)).all()
