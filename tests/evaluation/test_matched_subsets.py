from itertools import repeat

import numpy as np
import pytest

from helpers.made_windows import window, window_set
from mmdet_ddpm_moco.evaluation.distributions import draw_matched_subsets

BANK = [0] * 10 + [1] * 3 + [2] * 4
REAL = [0, 0, 1] * 12 + [1] * 4
IMAGES = [i // 3 for i in range(36)] + [12, 12, 13, 13]


def draw(seed, bank=BANK, real=REAL, images=IMAGES):
    return draw_matched_subsets(
        window_set([window(label) for label in bank]),
        window_set(
            [window(*pair) for pair in zip(real, repeat('real'), images)]
        ),
        seed,
    )


@pytest.mark.parametrize('seed', range(5))
def test_sets_of_one_size_and_mix(seed):
    sets = draw(seed)
    labels = sets.labels.tolist()
    assert np.array(BANK)[sets.bank].tolist() == labels
    assert np.array(REAL)[sets.real].tolist() == labels
    assert np.array(REAL)[sets.reference].tolist() == labels
    for part in (sets.bank, sets.real, sets.reference):
        assert len(set(part.tolist())) == len(part) == len(sets)
    # The bank has the fewest of class 1, and only the bank has class 2.
    assert labels.count(1) == 3 and labels.count(2) == 0
    assert labels.count(0) == 10


def test_halves_share_no_image():
    images = np.array(IMAGES)
    seen = set()
    for seed in range(5):
        sets = draw(seed)
        first, second = images[sets.real], images[sets.reference]
        assert not set(first.tolist()) & set(second.tolist())
        seen.add(tuple(sorted(set(first.tolist()))))
    assert len(seen) > 1


def test_the_same_each_time():
    a, b = (draw(3) for _ in range(2))
    np.testing.assert_array_equal(a.bank, b.bank)
    np.testing.assert_array_equal(a.reference, b.reference)


def test_of_class():
    sets = draw(0)
    part = sets.of_class(1)
    assert len(part) == 3 and set(part.labels) == {1}
    assert np.array(REAL)[part.reference].tolist() == [1, 1, 1]


def test_one_image_cannot_be_split():
    assert len(draw(0, [0] * 9, [0] * 9, [5] * 9)) == 0
