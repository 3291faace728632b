import cv2
import numpy as np
import pytest

from helpers.voc_maker import surface
from mmdet_ddpm_moco.conversion.overlap import (
    best_shift,
    coarse_spectrum,
    fine_correlation,
    flatten,
    spectrum,
    thumbnail,
)


def naive_agreement(a: np.ndarray, b: np.ndarray) -> dict:
    """Sum of products over the overlap by its root size, shift by shift."""
    height, width = a.shape
    found = {}
    for dy in range(1 - b.shape[0], height):
        for dx in range(1 - b.shape[1], width):
            total, count = 0.0, 0
            for y in range(b.shape[0]):
                for x in range(b.shape[1]):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        total += float(a[y + dy, x + dx]) * float(b[y, x])
                        count += 1
            if count >= 0.2 * min(a.size, b.size):
                found[dy, dx] = total / count**0.5
    return found


@pytest.mark.parametrize('shape', [(9, 9), (8, 12), (12, 7)])
def test_best_shift_equals_a_naive_search(shape):
    images = [surface(*shape, seed=seed, grain=0.8) for seed in (1, 2)]
    flat = [flatten(image, 64, detail=4, spread=4) for image in images]
    expected = naive_agreement(*flat)
    match = best_shift(*(coarse_spectrum(image) for image in images))
    values = np.array(list(expected.values()))
    spread = np.sqrt((values**2).mean())
    assert match.strength == pytest.approx(values.max() / spread, rel=1e-4)
    assert expected[match.shift] == pytest.approx(values.max(), rel=1e-4)


@pytest.mark.parametrize(
    'shapes', [((9, 9), (8, 6)), ((8, 12), (11, 5)), ((5, 4), (9, 10))]
)
def test_best_shift_of_two_shapes_equals_a_naive_search(shapes):
    images = [
        surface(*shape, seed=seed, grain=0.8)
        for seed, shape in enumerate(shapes)
    ]
    flat = [flatten(image, 64, detail=4, spread=4) for image in images]
    expected = naive_agreement(*flat)
    match = best_shift(*(spectrum(one, (12, 12)) for one in flat), shapes)
    values = np.array(list(expected.values()))
    spread = np.sqrt((values**2).mean())
    assert match.strength == pytest.approx(values.max() / spread, rel=1e-4)
    assert expected[match.shift] == pytest.approx(values.max(), rel=1e-4)


@pytest.mark.parametrize('grain', [0.7, 1.5, 4, 8])
@pytest.mark.parametrize('shape', [(40, 40), (200, 200), (60, 200)])
def test_unrelated_surfaces_of_any_grain_stay_below_six(shape, grain):
    spectra = [
        coarse_spectrum(surface(*shape, seed=seed, grain=grain))
        for seed in range(16)
    ]
    strengths = [
        best_shift(first, second).strength
        for index, first in enumerate(spectra)
        for second in spectra[:index]
    ]
    assert max(strengths) < 6


@pytest.mark.parametrize(('rows', 'cols'), [(0, 0), (60, -40), (-96, 30)])
def test_a_known_shift_is_found(rows, cols):
    strip = surface(500, 500, seed=3, grain=2)
    first = strip[150:350, 150:350]
    second = strip[150 + rows : 350 + rows, 150 + cols : 350 + cols]
    match = best_shift(coarse_spectrum(first), coarse_spectrum(second))
    assert match.strength > 7
    scale = 200 / 64
    assert abs(match.shift[0] * scale - rows) <= scale
    assert abs(match.shift[1] * scale - cols) <= scale
    small = thumbnail(first), thumbnail(second)
    assert fine_correlation(*small, match.shift) > 0.6


def test_parallel_lines_and_shading_are_no_overlap():
    def scratched(seed):
        image = surface(200, 200, seed).astype(np.float64)
        image = 90 + 0.15 * (image - 128) + np.linspace(0, 60, 200)[:, None]
        image[:, 70:74] += 90
        image[:, 90:92] += 60
        return np.clip(image, 0, 255).astype(np.uint8)

    first, second = scratched(1), scratched(2)
    match = best_shift(coarse_spectrum(first), coarse_spectrum(second))
    found = fine_correlation(thumbnail(first), thumbnail(second), (0, 0))
    assert match.strength < 6
    assert found < 0.3
    # Plain correlation would be sure of it.
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.8


def test_flat_images_correlate_with_nothing():
    flat = np.full((100, 100), 90, np.uint8)
    rough = surface(100, 100, seed=1)
    assert not flatten(flat, 64, detail=4, spread=4).any()
    for pair in ((flat, flat), (flat, rough), (rough, flat)):
        match = best_shift(*(coarse_spectrum(image) for image in pair))
        assert match.strength == pytest.approx(0, abs=1e-3)
        assert fine_correlation(*pair, (0, 0)) == 0


def test_too_little_to_compare_is_no_correlation():
    tiny = surface(5, 5, seed=1, grain=0.5)
    assert fine_correlation(tiny, tiny, (0, 0)) == 0
    rough = surface(100, 100, seed=1)
    assert fine_correlation(rough, rough, (0, 60)) == 0


def test_flattening_keeps_nothing_of_brightness_and_contrast():
    rough = surface(100, 100, seed=1)
    dull = (60 + 0.5 * rough).astype(np.uint8)
    a, b = (flatten(image, 64, 4, 4) for image in (rough, dull))
    assert a.mean() == pytest.approx(0, abs=1e-5)
    assert a.std() == pytest.approx(1, abs=1e-5)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98


def test_thumbnails_keep_their_shape_and_are_made_once():
    image = surface(500, 1000, seed=1)
    small = thumbnail(image)
    assert small.shape == (64, 128)
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(thumbnail(small), small)
    reference = cv2.resize(image, (128, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(small, reference)
