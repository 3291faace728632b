import cv2
import numpy as np
import pytest

from mmdet_ddpm_moco.synthesis.gates import seam


def box_alpha(size=48, feather=4):
    region = np.zeros((size, size), np.uint8)
    region[16:32, 14:34] = 1
    distance = cv2.distanceTransform(1 - region, cv2.DIST_L2, 5)
    alpha = np.clip(1 - distance / (feather + 1), 0, 1) * 254
    return np.where(region == 1, 255, alpha).astype(np.uint8)


def grain(seed=0, spread=10, size=48):
    rng = np.random.RandomState(seed)
    return np.clip(128 + rng.randn(size, size, 1) * spread, 0, 255).astype(
        np.uint8
    )


def slow_seam(pixels, alpha):
    h, w = alpha.shape
    tone = pixels.astype(float).mean(2)
    rim = (alpha > 0) & (alpha < 255)

    def near(y, x, r=5):
        return np.s_[max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1]

    background = np.zeros((h, w), bool)
    for y, x in np.ndindex(h, w):
        background[y, x] = alpha[y, x] == 0 and (alpha[near(y, x)] > 0).any()
    steps = []
    for y, x in zip(*np.nonzero(rim)):
        part = near(y, x)
        counts = rim[part].sum(), background[part].sum()
        if min(counts) > 0.1 * 121:
            means = (
                tone[part][rim[part]].mean(),
                tone[part][background[part]].mean(),
            )
            steps.append(abs(means[0] - means[1]))
    return np.mean(steps) / (tone[background].std() + 1)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('offset', [0, 3, 20])
def test_it_equals_a_slow_reference(channels, offset):
    alpha = box_alpha()
    pixels = np.concatenate([grain(k) for k in range(channels)], axis=2)
    pixels[alpha > 0] += offset
    assert seam(pixels, alpha) == pytest.approx(
        slow_seam(pixels, alpha), rel=1e-4
    )


def test_a_step_counts_more_on_smoother_background():
    alpha = box_alpha()
    found = []
    for spread in (1, 10, 30):
        pixels = grain(spread=spread)
        pixels[alpha > 0] += 12
        found.append(seam(pixels, alpha))
    assert found[0] > 2 * found[1] > 3 * found[2]


def test_what_is_inside_does_not_matter():
    """A defect may have any tone; its rim may not."""
    alpha, pixels = box_alpha(), grain()
    before = seam(pixels, alpha)
    pixels[alpha == 255] = 0
    assert seam(pixels, alpha) == before


def test_steps_of_either_sign_do_not_cancel():
    alpha, pixels = box_alpha(), grain(spread=1)
    left = np.zeros_like(alpha, bool)
    left[:, :24] = True
    pixels[(alpha > 0) & left] += 20
    pixels[(alpha > 0) & ~left] -= 20
    assert seam(pixels, alpha) > 4


@pytest.mark.parametrize('value', [0, 100, 255])
def test_there_is_no_seam_without_rim_or_background(value):
    alpha = np.full((16, 16), value, np.uint8)
    assert seam(grain(size=16), alpha) == 0
