"""Power spectra of windows: what a picture's grain is made of.

A detector sees grain that people overlook. Too little power at high
frequencies means that the generator blurs, a peak that it draws a grid.
"""

from collections.abc import Sequence

import cv2
import numpy as np

# Centres of the bands in cycles per pixel, 1/16 to 1/2. Each has a frequency
# of its own in any window of 16 pixels or more, the smallest there are.
CENTRES = np.arange(1, 9) / 16
HALF_WIDTH = 1 / 32
# Grey levels squared; keeps an even picture from having -inf dB.
FLOOR = 1e-3


def band_powers(pixels: np.ndarray) -> np.ndarray:
    """Radially averaged power spectrum of a window, at native resolution.

    The mean is taken off and the rest goes through a Hann window, so that
    opposite edges, which do not fit together, add nothing.

    Args:
        pixels (np.ndarray): uint8 (h, w) or BGR (h, w, 3).

    Returns:
        np.ndarray: float64 (8, ), power density in dB of grey levels
        squared, averaged over all directions within each band. White noise
        of standard deviation s has 20 log10(s) in every band. NaN in a band
        that the window is too small for.
    """
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    h, w = pixels.shape
    taper = np.outer(_hann(h), _hann(w))
    grey = pixels.astype(np.float64)
    # Of the tapered picture: otherwise some of the mean would come back.
    grey = (grey - (grey * taper).sum() / taper.sum()) * taper
    power = np.abs(np.fft.fft2(grey)) ** 2 / (taper**2).sum()
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w))
    bands = np.full(len(CENTRES), np.nan)
    for i, centre in enumerate(CENTRES):
        inside = power[
            (radius >= centre - HALF_WIDTH) & (radius < centre + HALF_WIDTH)
        ]
        if inside.size:
            bands[i] = 10 * np.log10(inside.mean() + FLOOR)
    return bands


def _hann(length: int) -> np.ndarray:
    # Periodic, and of no zero at its ends.
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2


def spectra(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """:func:`band_powers` of many windows, float64 (N, 8) in dB."""
    powers = [band_powers(p) for p in pictures]
    return np.array(powers).reshape(-1, len(CENTRES))


def spectral_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far the mean spectra of two sets are apart.

    Args:
        a (np.ndarray): float64 (N, bands) in dB, N >= 1.
        b (np.ndarray): float64 (M, bands) in dB, M >= 1.

    Returns:
        np.ndarray: float64 (bands, ), ``a`` over ``b`` in dB: the log-ratio
        of the geometric means. NaN in a band that one of them lacks.
    """
    return _mean(a) - _mean(b)


def _mean(spectra: np.ndarray) -> np.ndarray:
    there = ~np.isnan(spectra)
    counts = there.sum(axis=0)
    sums = np.where(there, spectra, 0).sum(axis=0)
    return np.where(counts, sums / np.maximum(counts, 1), np.nan)


def mean_absolute(difference: np.ndarray) -> float:
    """One number for a difference: mean over bands of its size, in dB."""
    there = ~np.isnan(difference)
    return float(np.abs(difference[there]).mean()) if there.any() else 0.0
