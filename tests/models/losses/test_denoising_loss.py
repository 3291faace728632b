import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.models.losses.denoising_loss import denoising_loss


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_alpha(*shape, seed=9):
    """With plenty of exact zeros and ones, as real ones have."""
    return (random(*shape, seed=seed) + 0.5).clamp(0, 1)


def slow_loss(prediction, target, alpha, outside):
    """One pixel after the other, in double precision."""
    n, c, h, w = prediction.shape
    total = 0.0
    for i in range(n):
        weights = [
            [outside + (1 - outside) * alpha[i, 0, y, x].item()
             for x in range(w)]
            for y in range(h)
        ]  # fmt: skip
        mean = sum(map(sum, weights)) / (h * w)
        for k, y, x in itertools.product(range(c), range(h), range(w)):
            error = prediction[i, k, y, x].item() - target[i, k, y, x].item()
            total += weights[y][x] / mean * error**2
    return total / (n * c * h * w)


@pytest.mark.parametrize('outside', [0.01, 0.1, 0.7, 1.0])
@pytest.mark.parametrize('shape', [(1, 1, 2, 3), (3, 1, 5, 4), (2, 3, 4, 6)])
def test_equals_a_loop_over_pixels(shape, outside):
    prediction, target = random(*shape), random(*shape, seed=1)
    alpha = random_alpha(shape[0], 1, *shape[2:])
    loss = denoising_loss(prediction, target, alpha, outside)
    expected = slow_loss(prediction, target, alpha, outside)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_weight_of_one_is_the_mean_squared_error():
    prediction, target = random(2, 3, 4, 4), random(2, 3, 4, 4, seed=1)
    loss = denoising_loss(prediction, target, random_alpha(2, 1, 4, 4), 1.0)
    plain = torch.nn.functional.mse_loss(prediction, target)
    torch.testing.assert_close(loss, plain)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.floats(0, 1, width=32), min_size=12, max_size=12
    ),
    st.floats(0.001, 1),
)  # fmt: skip
def test_the_weights_average_to_one(alpha, outside):
    """Of each window by itself: an error of 1 everywhere costs 1."""
    alpha = torch.tensor(alpha).reshape(2, 1, 2, 3)
    target = torch.zeros(2, 3, 2, 3)
    for window in range(2):
        prediction = torch.zeros(2, 3, 2, 3)
        prediction[window] = 1
        loss = denoising_loss(prediction, target, alpha, outside)
        assert loss.item() == pytest.approx(1 / 2, rel=1e-4)


def test_background_pixels_have_the_given_weight():
    alpha = torch.zeros(1, 1, 4, 4)
    alpha[..., :2] = 1
    target = torch.zeros(1, 1, 4, 4)
    inside = denoising_loss(alpha, target, alpha, 0.1)
    outside = denoising_loss(1 - alpha, target, alpha, 0.1)
    torch.testing.assert_close(outside, inside * 0.1)


def test_small_and_large_defects_have_equal_loss():
    large, small = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    small[0, 0, 0, 0] = 1
    errors = torch.ones(1, 1, 4, 4)
    target = torch.zeros(1, 1, 4, 4)
    torch.testing.assert_close(
        denoising_loss(errors, target, large, 0.1),
        denoising_loss(errors, target, small, 0.1),
    )


def test_predictions_in_half_precision_are_compared_in_float32():
    # A thousand errors of 1/16: in bfloat16 the squares alone would do, the
    # difference to a target that bfloat16 cannot hold would not.
    target = torch.full((1, 1, 32, 32), 1.001)
    prediction = torch.ones(1, 1, 32, 32, dtype=torch.bfloat16)
    loss = denoising_loss(prediction, target, torch.ones(1, 1, 32, 32), 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1e-6, rel=1e-3)


def test_the_gradient_is_weighted_like_the_loss():
    prediction = random(1, 1, 2, 2).requires_grad_()
    target = random(1, 1, 2, 2, seed=1)
    alpha = torch.tensor([[[[1.0, 0.5], [0.0, 1.0]]]])
    denoising_loss(prediction, target, alpha, 0.2).backward()
    weight = torch.tensor([[[[1.0, 0.6], [0.2, 1.0]]]]) / 0.7
    expected = 2 * weight * (prediction.detach() - target) / 4
    torch.testing.assert_close(prediction.grad, expected)
