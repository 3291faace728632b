"""Spectra of a bank beside those of real windows: numbers and a picture."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..utils.fileio import atomic_write_bytes
from .distributions import ALL, OVERALL, Measured, by_kind, equal_splits
from .fidelity import MIN_WINDOWS

# Centers of the bands in cycles per pixel, 1/16 to 1/2. Each has a frequency
# of its own in any window of 16 pixels or more, the smallest there are.
CENTERS = np.arange(1, 9) / 16
HALF_WIDTH = 1 / 32
# Gray levels squared; keeps an even picture from having -inf dB.
FLOOR = 1e-3


def band_powers(pixels: np.ndarray) -> np.ndarray:
    """Radially averaged power spectrum of a window, at native resolution.

    The mean is taken off and the rest goes through a Hann window, so that
    opposite edges, which do not fit together, add nothing.

    Args:
        pixels (np.ndarray): uint8 (h, w) or BGR (h, w, 3).

    Returns:
        np.ndarray: float64 (8, ), power density in dB of gray levels
        squared, averaged over all directions within each band. White noise
        of standard deviation s has 20 log10(s) in every band. NaN in a band
        that the window is too small for.
    """
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    h, w = pixels.shape
    taper = np.outer(_hann(h), _hann(w))
    gray = pixels.astype(np.float64)
    # Of the tapered picture: otherwise some of the mean would come back.
    gray = (gray - (gray * taper).sum() / taper.sum()) * taper
    power = np.abs(np.fft.fft2(gray)) ** 2 / (taper**2).sum()
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w))
    bands = np.full(len(CENTERS), np.nan)
    for i, center in enumerate(CENTERS):
        inside = power[
            (radius >= center - HALF_WIDTH) & (radius < center + HALF_WIDTH)
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
    return np.array(powers).reshape(-1, len(CENTERS))


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


COLUMNS = 4
# The same in every diagram, whichever kinds it shows.
COLORS = dict(
    all='black', add='#145ac8', replaces='#dc5a14', training='#3c8c14'
)


def compare_spectra(
    bank: Measured,
    real: Measured,
    classes: Sequence[str],
    train: Measured | None = None,
) -> dict[str, dict[str, dict | None]]:
    """Compares the spectra of a bank with real ones, by kind and class.

    Both comparisons are made on sets of one size and one mix of classes,
    against one half of the real images, and averaged over several halvings.

    Args:
        bank (Measured): Synthesized windows.
        real (Measured): Real ones.
        classes (Sequence[str]): Class names by label.
        train (Measured | None): As in :func:`by_kind`. Defaults to None.

    Returns:
        dict: By kind, then by class and ``'overall'``: None where there are
        too few windows, else ``n``, and for ``bank`` and ``real``
        ``mean_abs`` (dB) and ``bands`` (8 signed differences in dB; of real
        against real their root mean square).
    """
    result: dict[str, dict] = {}
    for kind, (of_bank, of_real) in by_kind(bank, real, train).items():
        splits = equal_splits(of_bank, of_real)
        result[kind] = {}
        for label, name in enumerate([*classes, OVERALL]):
            draws = [
                s if name == OVERALL else s.of_class(label) for s in splits
            ]
            draws = [s for s in draws if len(s) >= MIN_WINDOWS]
            result[kind][name] = (
                _compare(of_bank.spectra, of_real.spectra, draws)
                if draws
                else None
            )
    return result


def _compare(bank: np.ndarray, real: np.ndarray, draws: Sequence) -> dict:
    sides = {}
    for side, spectra in dict(bank=bank, real=real).items():
        differences = np.array(
            [
                spectral_difference(
                    spectra[getattr(s, side)], real[s.reference]
                )
                for s in draws
            ]
        )
        bands = (
            differences.mean(0)
            if side == 'bank'
            else np.sqrt((differences**2).mean(0))
        )
        sides[side] = dict(
            mean_abs=float(np.mean([mean_absolute(d) for d in differences])),
            bands=[None if np.isnan(b) else round(float(b), 3) for b in bands],
        )
    return dict(n=round(float(np.mean([len(s) for s in draws])), 1), **sides)


def draw_spectra(
    compared: Mapping[str, Mapping[str, dict | None]], file: str | Path
) -> None:
    """Draws the differences, one diagram for each class and one overall.

    Args:
        compared (Mapping): From :func:`compare_spectra`.
        file (str | Path): The PNG.
    """
    # Not pyplot: it would look for a screen.
    from matplotlib.figure import Figure

    names = [OVERALL, *(n for n in compared[ALL] if n != OVERALL)]
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(13, 3 * rows), layout='constrained')
    grid = figure.subplots(
        rows, COLUMNS, sharex=True, sharey=True, squeeze=False
    )
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
                axes.fill_between(
                    CENTERS,
                    -spread,
                    spread,
                    color='0.75',
                    label='real halves, r.m.s.',
                )
            axes.plot(
                CENTERS,
                np.array(here['bank']['bands'], float),
                label=kind,
                color=COLORS[kind],
                marker='.',
                linewidth=2 if kind == ALL else 1,
            )
        axes.set_title(
            f'{name}\nN: {", ".join(counts) or "too few"}', fontsize=9
        )
    for axes in list(grid.flat)[len(names) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel('power over real, dB')
    for axes in list(grid.flat)[max(0, len(names) - COLUMNS) : len(names)]:
        axes.set_xlabel('cycles per pixel')
        axes.tick_params(labelbottom=True)
    if any(found for found in compared[ALL].values()):
        grid.flat[0].legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=100, metadata={'Software': None})
    atomic_write_bytes(file, buffer.getvalue())
