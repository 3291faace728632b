import cv2
import numpy as np
import pytest

from helpers.voc_maker import surface
from mmdet_ddpm_moco.conversion import neighbors
from mmdet_ddpm_moco.conversion.neighbors import cut_outs, shifted
from mmdet_ddpm_moco.conversion.overlap import (
    FINE_SIDE,
    best_shift,
    coarse_spectrum,
    flatten,
    spectrum,
)

WINDOW, PER_IMAGE = 7, 3


@pytest.fixture(autouse=True)
def easily(monkeypatch):
    """Half of all pairs are candidates, more than are kept of an image."""
    monkeypatch.setattr(neighbors, 'WINDOW', WINDOW)
    monkeypatch.setattr(neighbors, 'PER_IMAGE', PER_IMAGE)
    monkeypatch.setattr(neighbors, 'MIN_STRENGTH', 3.2)
    monkeypatch.setattr(neighbors, 'CLEAR_STRENGTH', 3.6)


def slow_search(order, compare, least):
    """Pair by pair, each with a transform of its own."""
    for place, index in enumerate(order):
        matches = [
            (-match.strength, other, index, match.shift)
            for other in order[max(0, place - WINDOW) : place]
            if (match := compare(other, index)) and match.strength > least
        ]
        yield from sorted(matches)[:PER_IMAGE]


def check(found, expected):
    found, expected = list(found), list(expected)
    assert len(found) > 20
    assert [one[1:4] for one in found] == [one[1:] for one in expected]
    np.testing.assert_allclose(
        [-1 / one.doubt for one in found],
        [one[0] for one in expected],
        rtol=1e-4,
    )
    assert [one.needed for one in found] == [
        0.3 if one[0] < -3.6 else 0.6 for one in expected
    ]


def images_of(shapes, seed):
    """Images of few shapes in any order, the last one without structure."""
    rng = np.random.default_rng(seed)
    images = [
        surface(*shapes[rng.integers(len(shapes))], seed=100 * seed + number)
        for number in range(40)
    ]
    images[-1][:] = 90
    return images, rng.permutation(40).tolist()


@pytest.mark.parametrize(
    'shapes',
    [[(40, 40)], [(40, 40), (24, 40), (40, 24)], [(200, 90), (201, 90)]],
)
def test_shifted_equals_a_slow_search(shapes):
    images, order = images_of(shapes, seed=len(shapes))
    spectra = [coarse_spectrum(image) for image in images]

    def compare(other, index):
        if images[other].shape == images[index].shape:
            return best_shift(spectra[other], spectra[index])
        return None

    check(
        shifted(images.__getitem__, order),
        slow_search(order, compare, least=3.2),
    )


def test_cut_outs_equal_a_slow_search():
    shapes = [(40, 40), (44, 60), (90, 50), (30, 128)]
    images, order = images_of(shapes, seed=9)
    flat = [flatten(image, FINE_SIDE, 4, 4) for image in images]
    canvas = cv2.getOptimalDFTSize(90), cv2.getOptimalDFTSize(128)
    spectra = [spectrum(one, canvas) for one in flat]

    def compare(other, index):
        both = images[other].shape, images[index].shape
        if both[0] != both[1]:
            return best_shift(spectra[other], spectra[index], both)
        return None

    check(
        cut_outs(
            images.__getitem__, [image.shape[::-1] for image in images], order
        ),
        slow_search(order, compare, least=3.6),
    )
