"""Confidence intervals of the difference between two variants.

Two things are random: the seeds of the training runs
(:func:`paired_difference`) and the images of the test set
(:func:`bootstrap_interval`). Neither interval covers both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..utils.errors import InputError


@dataclass(frozen=True)
class PairedDifference:
    """A mean difference and its confidence interval."""

    mean: float  # in the unit of the scores
    low: float | None  # lower end of the interval; None for a single seed
    high: float | None  # upper end, likewise
    seeds: tuple[int, ...]  # compared, in ascending order


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Computes a mean and its standard error.

    Returns:
        tuple[float, float | None]: Mean and standard error (n - 1 degrees
        of freedom), in the unit of the values; of a single value the error
        is None.
    """
    error = float(stats.sem(values)) if len(values) > 1 else None
    return float(np.mean(values)), error


def paired_difference(
    a: Mapping[int, float], b: Mapping[int, float], confidence: float = 0.95
) -> PairedDifference:
    """Compares two variants seed by seed, with Student's t interval.

    Args:
        a (Mapping[int, float]): Score by seed.
        b (Mapping[int, float]): Likewise. Seeds that one of them lacks are
            left out.
        confidence (float): In (0, 1). Defaults to 0.95.

    Returns:
        PairedDifference: Of ``a`` minus ``b``: positive where ``a`` is
        better.

    Raises:
        ValueError: No seed is shared.
    """
    seeds = _shared_seeds(a, b)
    mean, error = mean_and_error([a[seed] - b[seed] for seed in seeds])
    if error is None:
        return PairedDifference(mean, None, None, seeds)
    quantile = stats.t.ppf((1 + confidence) / 2, len(seeds) - 1)
    reach = float(quantile) * error
    return PairedDifference(mean, mean - reach, mean + reach, seeds)


def bootstrap_interval(
    a: Mapping[int, Sequence[float]],
    b: Mapping[int, Sequence[float]],
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Compares two variants on resampled test sets: a percentile interval.

    Element i of every sequence must come from the same images. Differences
    are averaged over the shared seeds, which are taken as given: the
    interval is for these trained detectors on other images.

    Args:
        a (Mapping[int, Sequence[float]]): Scores of the resamples by seed.
            A NaN (a resample without any box) leaves its resample out.
        b (Mapping[int, Sequence[float]]): Likewise. Of longer sequences the
            beginning is compared, as long as the shortest.
        confidence (float): In (0, 1). Defaults to 0.95.

    Returns:
        tuple[float, float]: Ends of the interval of ``a`` minus ``b``.

    Raises:
        ValueError: No seed is shared, or no resample is left.
    """
    seeds = _shared_seeds(a, b)
    resamples = min(len(scores[s]) for s in seeds for scores in (a, b))
    differences = np.mean(
        [np.subtract(a[s][:resamples], b[s][:resamples]) for s in seeds],
        axis=0,
    )  # (resamples, )
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        msg = 'there is no resample with a score'
        raise InputError(msg)
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)


def _shared_seeds(a: Mapping[int, object], b: Mapping[int, object]) -> tuple:
    seeds = tuple(sorted(set(a) & set(b)))
    if not seeds:
        msg = f'no seed is shared: {sorted(a)} and {sorted(b)}'
        raise InputError(msg)
    return seeds
