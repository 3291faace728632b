"""Intervals computed by hand, and their coverage."""

import numpy as np
import pytest

from mmdet_ddpm_moco.evaluation.average_precision import resample_images
from mmdet_ddpm_moco.evaluation.statistics import (
    bootstrap_interval,
    mean_and_error,
    paired_difference,
)


def test_mean_and_error_by_hand():
    # Deviations -3, -1, 1, 3: variance 20 / 3, over 4 values 5 / 3.
    mean, error = mean_and_error([2.0, 4.0, 6.0, 8.0])
    assert mean == 5
    assert error == pytest.approx((5 / 3) ** 0.5)
    assert mean_and_error([7.5]) == (7.5, None)


def test_the_t_interval_by_hand():
    a = {0: 51.0, 1: 42.0, 2: 63.0, 8: 99.0}
    b = {2: 60.0, 1: 40.0, 0: 50.0, 7: 0.0}
    # Differences 1, 2, 3. The t distribution with 2 degrees of freedom has
    # its 97.5 % quantile at 4.302653 and its 95 % quantile at 2.919986.
    found = paired_difference(a, b)
    assert found.seeds == (0, 1, 2)
    assert found.mean == pytest.approx(2)
    assert found.low == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-6)
    assert found.high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-6)
    narrow = paired_difference(a, b, confidence=0.9)
    assert narrow.high == pytest.approx(2 + 2.919986 / 3**0.5, abs=1e-6)
    swapped = paired_difference(b, a)
    assert (swapped.mean, swapped.low) == (-found.mean, -found.high)


def test_a_single_seed_has_no_interval():
    found = paired_difference({3: 50.0, 4: 1.0}, {3: 48.5, 5: 2.0})
    assert (found.mean, found.low, found.high) == (1.5, None, None)
    assert found.seeds == (3,)


@pytest.mark.parametrize('confidence', [0.8, 0.95])
def test_the_coverage_of_the_t_interval(confidence):
    # Five seeds, whose effect is far larger than the difference. With the
    # normal quantile instead of Student's it would be 0.73 and 0.88.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(4000):
        common = rng.normal(40, 10, 5)
        a = dict(enumerate(common + rng.normal(0.7, 1, 5)))
        b = dict(enumerate(common + rng.normal(0, 0.5, 5)))
        found = paired_difference(a, b, confidence)
        covered += found.low <= 0.7 <= found.high
    assert covered / 4000 == pytest.approx(confidence, abs=0.02)


def test_the_percentile_interval_by_hand():
    # Over both seeds the differences are 0, 1, ..., 100 in some order.
    order = np.random.default_rng(0).permutation(101)
    noise = np.random.default_rng(1).normal(0, 50, 101)
    a = {0: order + noise, 1: order - noise, 2: noise}
    b = {0: np.zeros(101), 1: np.zeros(101), 9: noise}
    assert bootstrap_interval(a, b) == pytest.approx((2.5, 97.5))
    assert bootstrap_interval(a, b, 0.5) == pytest.approx((25, 75))
    assert bootstrap_interval(b, a) == pytest.approx((-97.5, -2.5))


def test_resamples_without_a_score_are_left_out():
    nan = float('nan')
    a = {0: [nan, 1.0, 3.0], 1: [5.0, 1.0, 3.0]}
    b = {0: [nan, 0.0, 0.0], 1: [0.0, 0.0, 0.0]}
    assert bootstrap_interval(a, b, 0.5) == pytest.approx((1.5, 2.5))
    with pytest.raises(ValueError, match='no resample with a score'):
        bootstrap_interval({0: [nan]}, {0: [1.0]})


def test_the_coverage_of_the_percentile_interval():
    # The score is a mean over 200 images. Hard images are hard for both
    # variants, which pairing takes out: unpaired, the interval would cover
    # always.
    rng = np.random.default_rng(0)
    weights = resample_images(200, 400) / 200
    covered = 0
    for _ in range(600):
        common = rng.normal(40, 10, 200)
        a = {0: weights @ (common + rng.exponential(2, 200))}
        b = {0: weights @ common}
        low, high = bootstrap_interval(a, b)
        covered += low <= 2 <= high
    assert covered / 600 == pytest.approx(0.94, abs=0.03)


def test_variants_without_common_scores():
    with pytest.raises(ValueError, match=r'no seed is shared: \[0\] and \[1'):
        paired_difference({0: 1.0}, {1: 1.0, 2: 1.0})
    with pytest.raises(ValueError, match='no seed is shared'):
        bootstrap_interval({0: [1.0]}, {})


def test_the_beginning_of_longer_sequences_is_compared():
    # Of length 1, numpy would spread them over the others.
    for a, b in (
        ({0: [1.0, 9.0]}, {0: [3.0]}),
        ({0: [1.0], 1: [2.0, 9.0]}, {0: [3.0], 1: [4.0]}),
    ):
        assert bootstrap_interval(a, b) == (-2, -2)
        assert bootstrap_interval(b, a) == (2, 2)
