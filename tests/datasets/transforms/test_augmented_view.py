import math

import numpy as np
import pytest

from mmdet_ddpm_moco.datasets.transforms.augmented_view import (
    draw_box,
    draw_flip,
    draw_jitter,
    draw_sigma,
)

NUMBER = 4000


@pytest.fixture(autouse=True)
def seed():
    np.random.seed(0)


def test_area_and_aspect_ratio_are_uniform():
    boxes = np.array(
        [draw_box((1000, 900), (0.1, 0.5), (0.5, 2)) for _ in range(NUMBER)]
    )
    x, y, w, h = boxes.T
    assert min(x.min(), y.min()) >= 0
    assert (x + w).max() <= 1000 and (y + h).max() <= 900
    area = w * h / 900_000
    aspect = np.log(w / h)
    for values, low, high in (
        (area, 0.1, 0.5),
        (aspect, -math.log(2), math.log(2)),
    ):
        assert values.min() > low - 0.01 and values.max() < high + 0.01
        part = (values - low) / (high - low)
        assert abs(part.mean() - 0.5) < 0.03
        assert abs(part.var() - 1 / 12) < 0.01


@pytest.mark.parametrize(
    ('size', 'box'),
    [
        # No such crop is as large as all of it: the middle.
        ((1000, 100), (433, 0, 133, 100)),
        ((100, 1000), (0, 433, 100, 133)),
        ((100, 100), (0, 0, 100, 100)),
    ],
)
def test_the_central_crop_is_the_fallback(size, box):
    assert draw_box(size, (1, 1), (3 / 4, 4 / 3), attempts=0) == box


def test_jitter_draws_factors_in_both_orders():
    drawn = [draw_jitter(0.4, 0.2, 0.8) for _ in range(NUMBER)]
    used = [steps for steps in drawn if steps]
    assert abs(len(used) / NUMBER - 0.8) < 0.03
    first = [steps[0][0] for steps in used]
    assert abs(first.count('contrast') / len(used) - 0.5) < 0.04
    for name, strength in (('brightness', 0.4), ('contrast', 0.2)):
        factors = np.array([dict(steps)[name] for steps in used])
        assert 1 - strength <= factors.min() < 1 - 0.98 * strength
        assert 1 + strength >= factors.max() > 1 + 0.98 * strength
    assert all(not draw_jitter(0, 0, 1) for _ in range(5))


def test_sigma_is_uniform():
    drawn = np.array([draw_sigma((0.5, 2.0), 0.3) for _ in range(NUMBER)])
    used = drawn[drawn > 0]
    assert abs(len(used) / NUMBER - 0.3) < 0.03
    assert 0.5 <= used.min() < 0.52 and 1.98 < used.max() <= 2
    assert abs(used.mean() - 1.25) < 0.06


def test_flips_have_their_probabilities():
    flips = dict(horizontal=0.1, diagonal=0.5)
    drawn = [draw_flip(flips) for _ in range(NUMBER)]
    for direction, prob in (*flips.items(), (None, 0.4), ('vertical', 0)):
        assert abs(drawn.count(direction) / NUMBER - prob) < 0.03
