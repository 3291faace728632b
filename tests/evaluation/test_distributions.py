"""Comparisons by kind and class, on synthetic features."""

import numpy as np
import pytest
import torch
from tqdm import tqdm

from helpers.made_windows import window, window_set
from mmdet_ddpm_moco.evaluation.distributions import (
    by_kind,
    compare_distributions,
)
from mmdet_ddpm_moco.evaluation.fidelity import compare
from mmdet_ddpm_moco.evaluation.spectrum import compare_spectra, draw_spectra

CLASSES = ('dent', 'pit', 'scratch')


def normal(n, d, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) + shift


@pytest.fixture
def real():
    """60 dents and 40 pits on 50 images, every other dent fitting."""
    windows = [
        window(i % 5 >= 3, 'real', image=i // 2, whole=i % 2 == 0)
        for i in range(100)
    ]
    return window_set(windows, normal(100, 4, 0), normal(100, 3, 5))


@pytest.fixture
def bank():
    """Dents that are far off, pits that look real, few scratches."""
    windows = (
        [window(0, 'replaces') for _ in range(30)]
        + [window(1, 'replaces') for _ in range(30)]
        + [window(1, 'add') for _ in range(10)]
        + [window(2, 'add') for _ in range(3)]
    )
    features = torch.cat([normal(30, 4, 1, 3), normal(43, 4, 2)])
    return window_set(windows, features, normal(73, 3, 6))


@pytest.fixture
def found(bank, real):
    with tqdm(disable=True) as bar:
        return compare_distributions(bank, real, CLASSES, bar)


def test_counts_and_groups(found):
    assert list(found) == [*CLASSES, 'overall']
    assert found['dent']['counts'] == dict(bank=30, real=60)
    assert found['pit']['counts'] == dict(bank=40, real=40)
    assert found['overall']['counts'] == dict(bank=73, real=100)


def test_a_class_with_too_few_has_no_metrics(found):
    assert found['scratch'] == dict(
        counts=dict(bank=3, real=0), all=None, matched=None
    )


def test_metrics_of_a_class_are_those_of_its_windows(found, bank, real):
    expected = compare(
        bank.features[bank.labels == 1], real.features[real.labels == 1]
    )
    for key, value in expected.items():
        assert found['pit']['all'][key] == pytest.approx(value), key
    assert found['pit']['all']['inception_score'] > 1


def test_real_to_real_is_reported_beside(found):
    dent, pit = found['dent']['matched'], found['pit']['matched']
    # Shifted by 3 in 4 dimensions: 36 more.
    more = (
        dent['bank']['frechet_distance']['mean']
        - dent['real']['frechet_distance']['mean']
    )
    assert more == pytest.approx(36, rel=0.2)
    assert abs(
        pit['bank']['frechet_distance']['mean']
        - pit['real']['frechet_distance']['mean']
    ) < 3 * (0.1 + pit['real']['frechet_distance']['std'])
    assert dent['bank']['precision']['mean'] < 0.1
    assert dent['real']['precision']['mean'] > 0.6


def test_matched_subsets_are_of_equal_size(found):
    for name in ('dent', 'pit'):
        matched = found[name]['matched']
        # A half of the real windows is less than those of the bank.
        assert 8 <= matched['n'] <= 30 and matched['splits'] == 5
    total = found['dent']['matched']['n'] + found['pit']['matched']['n']
    assert found['overall']['matched']['n'] == pytest.approx(total, abs=0.2)


def test_without_a_classifier_there_is_no_inception_score(bank, real):
    bank = window_set(bank.windows, bank.features)
    with tqdm(disable=True) as bar:
        found = compare_distributions(bank, real, CLASSES, bar)
    assert 'inception_score' not in found['pit']['all']
    assert 'inception_score' not in found['overall']['matched']['bank']


def test_each_kind_has_its_reference(bank, real):
    parts = by_kind(bank, real)
    assert list(parts) == ['all', 'add', 'replaces']
    added, against = parts['add']
    assert {w.kind for w in added.windows} == {'add'}
    assert len(added.windows) == len(added.features) == 13
    assert all(w.whole for w in against.windows)
    assert len(against.windows) == 50
    assert len(parts['replaces'][1].windows) == 100
    only = bank.take(range(30))
    assert list(by_kind(only, real)) == ['all', 'replaces']


def test_take_selects_from_every_attribute(bank):
    part = bank.take([40, 2])
    torch.testing.assert_close(part.features, bank.features[[40, 2]])
    torch.testing.assert_close(part.logits, bank.logits[[40, 2]])
    np.testing.assert_array_equal(part.spectra, bank.spectra[[40, 2]])
    assert part.labels.tolist() == [1, 0]


def test_spectra_by_kind_and_class(bank, real, tmp_path):
    shifted = window_set(
        bank.windows, bank.features, bands=bank.spectra + np.arange(8)
    )
    found = compare_spectra(shifted, real, CLASSES)
    assert list(found) == ['all', 'add', 'replaces']
    assert found['all']['scratch'] is None and found['add']['dent'] is None
    overall = found['all']['overall']
    np.testing.assert_allclose(
        overall['bank']['bands'], np.arange(8), atol=0.7
    )
    assert overall['bank']['mean_abs'] == pytest.approx(3.5, abs=0.3)
    assert overall['real']['mean_abs'] < 0.5
    assert max(overall['real']['bands']) < 0.8
    draw_spectra(found, tmp_path / 'spectrum.png')
    assert (tmp_path / 'spectrum.png').read_bytes()[1:4] == b'PNG'
