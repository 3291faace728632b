"""Metrics against slow references, such as swapped arguments would break."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from mmdet_ddpm_moco.evaluation.fidelity import (
    MIN_WINDOWS,
    compare,
    frechet_distance,
    inception_score,
)


def draw(n, d, seed, shift=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) * scale + shift


def slow_frechet(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    difference = a.mean(0) - b.mean(0)
    first, second = np.cov(a.T), np.cov(b.T)
    root = sqrtm(first @ second)
    return difference @ difference + np.trace(first + second - 2 * root.real)


@pytest.mark.parametrize('sizes', [(60, 50, 5), (20, 9, 12), (10, 8, 40)])
def test_frechet_distance(sizes):
    n, m, d = sizes
    a, b = draw(n, d, 0), draw(m, d, 1, shift=0.5, scale=2)
    # The root of a singular matrix is known to few digits.
    expected = slow_frechet(a, b)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_a_known_frechet_distance():
    a = torch.tensor([[-1.0, 0], [1, 0], [-1, 0], [1, 0]])
    # Standard deviations 2 / sqrt(3) and 6 / sqrt(3), means 0 and 5.
    b = 3 * a + torch.tensor([5.0, 0])
    assert frechet_distance(a, b) == pytest.approx(25 + 16 / 3)


def slow_precision(generated, real):
    """Share of generated samples inside the ball of some real one."""
    inside = 0
    for x in generated.tolist():
        for i, y in enumerate(real.tolist()):
            others = [z for j, z in enumerate(real.tolist()) if j != i]
            radius = sorted(np.linalg.norm(np.subtract(y, others), axis=1))[2]
            if np.linalg.norm(np.subtract(x, y)) <= radius:
                inside += 1
                break
    return inside / len(generated)


def test_precision_and_recall_are_not_swapped():
    real = draw(40, 2, 0)
    narrow = draw(30, 2, 1, scale=0.2)  # real-looking, without variety
    found = compare(narrow, real)
    assert found['precision'] == pytest.approx(slow_precision(narrow, real))
    assert found['recall'] == pytest.approx(slow_precision(real, narrow))
    assert found['precision'] == 1 and found['recall'] < 0.3
    assert (found['n_generated'], found['n_real']) == (30, 40)


def test_kid_is_unbiased_and_detects_a_shift():
    a, b = draw(200, 6, 0), draw(160, 6, 1)
    same, moved = compare(a, b), compare(a + 1, b)
    assert abs(same['kid']) < 2 * same['kid_std']
    assert moved['kid'] > 5 * same['kid_std']
    assert same['kid_subset'] == 80
    assert same['kid_std'] > 0


def slow_kid(a, b):
    def kernel(x, y):
        return (x @ y / len(x) + 1) ** 3

    def within(s):
        return np.mean(
            [
                kernel(x, y)
                for i, x in enumerate(s)
                for j, y in enumerate(s)
                if i != j
            ]
        )

    between = np.mean([kernel(x, y) for x in a for y in b])
    return within(a) + within(b) - 2 * between


def test_kid_is_the_mean_over_subsets():
    a, b = draw(24, 3, 0), draw(24, 3, 1, shift=0.7)
    # Subsets are unbiased, so their mean is about that of the whole.
    found = compare(a, b)
    expected = slow_kid(a.double().numpy(), b.double().numpy())
    error = 4 * found['kid_std'] / np.sqrt(100)
    assert found['kid'] == pytest.approx(expected, abs=error)


def test_the_smallest_number_is_enough():
    found = compare(draw(MIN_WINDOWS, 30, 0), draw(MIN_WINDOWS, 30, 1))
    assert all(np.isfinite(list(found.values())))
    assert found['kid_subset'] == 4


def test_inception_score():
    sure = 50 * torch.eye(4).repeat(5, 1)
    assert inception_score(sure)['inception_score'] == pytest.approx(4)
    assert inception_score(torch.zeros(20, 4))[
        'inception_score'
    ] == pytest.approx(1)
    found = inception_score(draw(350, 4, 0))
    assert (
        found['inception_score_splits'] == 3
        and found['inception_score_std'] > 0
    )
