import cv2
import numpy as np
import pytest

from mmdet_ddpm_moco.synthesis.gates import (
    MIN_CHANGE,
    rejection,
    visible_change,
)


def ground(channels=1, seed=0):
    rng = np.random.RandomState(seed)
    return rng.randint(80, 160, (24, 20, channels)).astype(np.uint8)


def disc():
    alpha = np.zeros((24, 20), np.uint8)
    cv2.circle(alpha, (10, 12), 8, 120, -1)
    cv2.circle(alpha, (10, 12), 5, 255, -1)
    return alpha


def slow_change(before, after, alpha):
    """Means of 5 x 5 neighbourhoods, mirrored at the border, by hand."""
    h, w, c = before.shape

    def mirrored(i, n):
        return -i if i < 0 else 2 * n - 2 - i if i >= n else i

    def blurred(picture, y, x, k):
        return np.mean(
            [
                float(picture[mirrored(y + j, h), mirrored(x + i, w), k])
                for j in range(-2, 3)
                for i in range(-2, 3)
            ]
        )

    differences = [
        abs(blurred(before, y, x, k) - blurred(after, y, x, k))
        for y in range(h)
        for x in range(w)
        for k in range(c)
        if alpha[y, x] == 255
    ]
    return np.mean(differences)


@pytest.mark.parametrize('channels', [1, 3])
def test_visible_change_equals_a_slow_reference(channels):
    before, after = ground(channels), ground(channels, seed=1)
    alpha = disc()
    alpha[0, 0] = alpha[23, 19] = 255
    found = visible_change(before, after, alpha)
    assert found == pytest.approx(slow_change(before, after, alpha), rel=1e-5)


def test_only_the_defect_itself_counts():
    before, alpha = ground(), disc()
    after = before.copy()
    after[alpha < 255] = 0
    far = cv2.erode(alpha, np.ones((5, 5))) == 255
    only = np.where(far, 255, 0).astype(np.uint8)
    assert visible_change(before, after, only) == 0


@pytest.mark.parametrize('kind', ['add', 'replaces'])
def test_fresh_grain_alone_is_no_defect(kind):
    rng = np.random.RandomState(3)
    before = np.full((24, 20, 1), 120, np.uint8)
    grains = [
        np.clip(before + rng.randint(-4, 5, before.shape), 0, 255)
        for _ in range(2)
    ]
    grains = [grain.astype(np.uint8) for grain in grains]
    assert np.abs(grains[0].astype(int) - grains[1]).mean() > MIN_CHANGE
    assert rejection(kind, *grains, disc()) == 'nothing visible'


@pytest.mark.parametrize('kind', ['add', 'replaces'])
@pytest.mark.parametrize('by', [0, 1, 3, -3, 40])
def test_a_change_is_seen_from_two_grey_levels_on(kind, by):
    before = ground()
    after = (before.astype(int) + by).astype(np.uint8)
    expected = None if abs(by) > MIN_CHANGE else 'nothing visible'
    assert rejection(kind, before, after, disc()) == expected


def test_a_window_without_defect_may_look_unchanged():
    assert rejection('null', ground(), ground(), disc()) is None


@pytest.mark.parametrize('kind', ['add', 'replaces'])
def test_a_defect_that_covers_nothing_is_not_accepted(kind):
    """Its mean over no pixel is no number, and no defect either."""
    alpha = np.where(disc() == 255, 254, disc()).astype(np.uint8)
    assert rejection(kind, ground(), ground(seed=1), alpha) is not None
