import cv2
import numpy as np
import pytest

from mmdet_ddpm_moco.evaluation.spectrum import (
    CENTERS,
    band_powers,
    mean_absolute,
    spectra,
    spectral_difference,
)


def noise(h, w, std, seed=0):
    rng = np.random.RandomState(seed)
    return np.clip(rng.normal(128, std, (h, w)), 0, 255).astype(np.uint8)


def slow_band_powers(pixels):
    """The definition, one frequency at a time."""
    h, w = pixels.shape
    ys, xs = np.mgrid[:h, :w]
    taper = (
        np.sin(np.pi * (ys + 0.5) / h) * np.sin(np.pi * (xs + 0.5) / w)
    ) ** 2
    mean = (pixels * taper).sum() / taper.sum()
    sums = [[] for _ in CENTERS]
    for ky in range(h):
        for kx in range(w):
            fy = ky / h if ky < h / 2 else ky / h - 1
            fx = kx / w if kx < w / 2 else kx / w - 1
            wave = np.exp(-2j * np.pi * (fy * ys + fx * xs))
            value = ((pixels - mean) * taper * wave).sum()
            f = np.hypot(fy, fx)
            for i, center in enumerate(CENTERS):
                if center - 1 / 32 <= f < center + 1 / 32:
                    sums[i].append(abs(value) ** 2 / (taper**2).sum())
    return np.array([10 * np.log10(np.mean(s) + 1e-3) for s in sums])


@pytest.mark.parametrize('size', [(16, 16), (16, 24), (19, 32)])
def test_against_the_definition(size):
    pixels = noise(*size, 20)
    np.testing.assert_allclose(
        band_powers(pixels), slow_band_powers(pixels), rtol=1e-9
    )


@pytest.mark.parametrize('std', [5, 20])
def test_white_noise_is_flat_at_its_variance(std):
    windows = [noise(64, 48, std, seed) for seed in range(40)]
    # Means of powers, not of dB, equal the variance.
    power = (10 ** (spectra(windows) / 10)).mean(0)
    np.testing.assert_allclose(power, std**2, rtol=0.08)


@pytest.mark.parametrize('band', range(8))
@pytest.mark.parametrize('across', [False, True])
def test_a_wave_is_in_its_band(band, across):
    x = np.arange(64)
    wave = 128 + 60 * np.cos(2 * np.pi * CENTERS[band] * x + 0.3)
    pixels = np.tile(wave.round().astype(np.uint8), (48, 1))
    powers = band_powers(pixels if across else pixels.T)
    assert powers.argmax() == band
    others = np.delete(powers, [band])
    assert powers[band] > others.max() + 10


def test_contrast_counts_and_brightness_does_not():
    pixels = noise(32, 32, 10)
    same = band_powers(pixels + 40)
    np.testing.assert_allclose(same, band_powers(pixels), atol=1e-9)
    double = (2.0 * (pixels - 64.0)).astype(np.uint8)
    np.testing.assert_allclose(
        band_powers(double) - band_powers(pixels), 20 * np.log10(2), atol=0.01
    )


def test_a_uniform_window_and_a_small_one():
    assert np.isfinite(band_powers(np.full((16, 16), 7, np.uint8))).all()
    assert np.isnan(band_powers(noise(4, 4, 9))[0])


def test_color_is_converted_to_gray():
    gray = noise(16, 16, 9)
    np.testing.assert_allclose(
        band_powers(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)), band_powers(gray)
    )


def test_blur_shows_as_loss_at_the_right():
    sharp = [noise(32, 32, 20, seed) for seed in range(10)]
    blurred = [cv2.blur(p, (3, 3)) for p in sharp]
    lost = spectral_difference(spectra(blurred), spectra(sharp))
    assert (np.diff(lost[:5]) < 0).all() and lost[4] < -10
    assert mean_absolute(lost) == pytest.approx(np.abs(lost).mean())


def test_missing_bands():
    nan = np.nan
    a = np.array([[1.0, 4, nan], [3, nan, nan]])
    b = np.array([[0.0, 1, 5]])
    difference = spectral_difference(a, b)
    np.testing.assert_array_equal(difference, [2, 3, nan])
    assert mean_absolute(difference) == 2.5
