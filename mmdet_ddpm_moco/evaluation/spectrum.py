"""Power spectra of a bank beside those of real windows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.signal.windows import cosine

from ..visualization.figure import COLORS, make_figure, save_figure
from .distributions import (
    ALL,
    OVERALL,
    MatchedSubsets,
    WindowSet,
    by_kind,
    matched_subsets_by_class,
    mean_size,
)

# Centers of the bands in cycles per pixel, 1/16 to 1/2. Each contains a
# frequency of any window of 16 pixels or more, the smallest there are.
CENTERS = np.arange(1, 9) / 16
HALF_WIDTH = 1 / 32
# Gray levels squared; avoids -inf dB for a uniform window.
FLOOR = 1e-3
COLUMNS = 4


def band_powers(pixels: np.ndarray) -> np.ndarray:
    """Radially averaged power spectrum of a window, at native resolution.

    The window is uint8 (h, w) or BGR (h, w, 3). The mean is subtracted and a
    Hann window applied, so that the step between opposite edges adds nothing.

    Returns:
        np.ndarray: float64 (8, ), power density in dB of gray levels
        squared, averaged over all directions within each band. White noise
        of standard deviation s has 20 log10(s) in every band. NaN in a band
        that the window is too small for.
    """
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    h, w = pixels.shape
    # A periodic Hann window, which is not 0 at its ends.
    taper = np.outer(cosine(h), cosine(w)) ** 2
    # The weighted mean, so that nothing of it is left after tapering.
    mean = (pixels * taper).sum() / taper.sum()
    spectrum = np.fft.fft2((pixels - mean) * taper)
    power = np.abs(spectrum) ** 2 / (taper**2).sum()
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w))
    bands = np.full(len(CENTERS), np.nan)
    for i, center in enumerate(CENTERS):
        inside = (radius >= center - HALF_WIDTH) & (
            radius < center + HALF_WIDTH
        )
        if inside.any():
            bands[i] = 10 * np.log10(power[inside].mean() + FLOOR)
    return bands


def spectra(pixels: Sequence[np.ndarray]) -> np.ndarray:
    """:func:`band_powers` of N windows, float64 (N, 8) in dB."""
    return np.array([band_powers(p) for p in pixels]).reshape(-1, len(CENTERS))


def spectral_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of the mean spectra of two sets, float64 (N, bands) in dB.

    Returns:
        np.ndarray: float64 (bands, ), ``a`` over ``b`` in dB: the log-ratio
        of the geometric means. NaN in a band that one of them lacks.
    """
    # Not nanmean, which warns where there are only NaN.
    first, second = (np.ma.masked_invalid(x).mean(axis=0) for x in (a, b))
    return (first - second).filled(np.nan)


def mean_absolute(difference: np.ndarray) -> float:
    """Mean over bands of the absolute difference, in dB."""
    known = difference[~np.isnan(difference)]
    return float(np.abs(known).mean()) if len(known) else 0.0


def compare_spectra(
    bank: WindowSet,
    real: WindowSet,
    classes: Sequence[str],
    train: WindowSet | None = None,
) -> dict[str, dict[str, dict | None]]:
    """Compares the spectra of a bank with real ones, on matched subsets.

    The arguments are those of :func:`by_kind`.

    Returns:
        dict: By kind, then by class and ``'overall'``: None where there are
        too few windows, else ``n``, and for ``bank`` and ``real``
        ``mean_abs`` (dB) and ``bands`` (8 signed differences in dB; of real
        to real their root mean square).
    """
    return {
        kind: {
            name: _compare(of_bank.spectra, of_real.spectra, draws)
            for name, draws in matched_subsets_by_class(
                of_bank, of_real, classes
            )
        }
        for kind, (of_bank, of_real) in by_kind(bank, real, train).items()
    }


def _compare(
    bank: np.ndarray, real: np.ndarray, draws: Sequence[MatchedSubsets]
) -> dict | None:
    if not draws:
        return None
    sides = {}
    for side, spectra in dict(bank=bank, real=real).items():
        found = np.array(  # (splits, bands)
            [
                spectral_difference(
                    spectra[getattr(draw, side)], real[draw.reference]
                )
                for draw in draws
            ]
        )
        bands = found.mean(0)
        if side == 'real':
            bands = np.sqrt((found**2).mean(0))
        sides[side] = dict(
            mean_abs=float(np.mean([mean_absolute(d) for d in found])),
            bands=[None if np.isnan(b) else round(float(b), 3) for b in bands],
        )
    return dict(n=mean_size(draws), **sides)


def draw_spectra(
    compared: Mapping[str, Mapping[str, dict | None]], file: str | Path
) -> None:
    """Draws :func:`compare_spectra`, a diagram for each class and overall."""
    names = [OVERALL, *(n for n in compared[ALL] if n != OVERALL)]
    rows = -(-len(names) // COLUMNS)
    figure = make_figure(13, 3 * rows)
    grid = figure.subplots(
        rows, COLUMNS, sharex=True, sharey=True, squeeze=False
    )
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names):
        axes.axhline(0, color='0.4', linewidth=0.8)
        axes.grid(alpha=0.3)
        counts = []
        for kind, found in compared.items():
            here = found[name]
            if here is None:
                continue
            counts.append(f'{kind} {here["n"]:.0f}')
            if kind == ALL:
                spread = np.array(here['real']['bands'], float)
                label = 'real halves, r.m.s.'
                axes.fill_between(
                    CENTERS, -spread, spread, color='0.75', label=label
                )
            axes.plot(
                CENTERS,
                np.array(here['bank']['bands'], float),
                label=kind,
                color=COLORS[kind],
                marker='.',
                linewidth=2 if kind == ALL else 1,
            )
        title = f'{name}\nN: {", ".join(counts) or "too few"}'
        axes.set_title(title, fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel('power over real, dB')
    for axes in grid.flat[max(0, len(names) - COLUMNS) : len(names)]:
        axes.set_xlabel('cycles per pixel')
        axes.tick_params(labelbottom=True)
    if any(compared[ALL].values()):
        grid.flat[0].legend(fontsize=8)
    save_figure(figure, file)
