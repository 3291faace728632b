import math

import pytest
import torch

from helpers.tiny_ddpm import STEPS, cosine_alpha_bar
from mmdet_ddpm_moco.models.noise_schedule import build_schedule


def test_the_schedule_is_the_cosine_one():
    schedule = build_schedule(None)
    expected = torch.tensor(cosine_alpha_bar())
    torch.testing.assert_close(
        schedule.alphas_cumprod, expected, rtol=2e-4, atol=1e-9
    )
    assert schedule.config.num_train_timesteps == STEPS
    assert schedule.config.prediction_type == 'v_prediction'


@pytest.mark.parametrize(
    ('step', 'alpha_bar'),
    [
        (0, 0.999958716),
        (249, 0.847012161),
        (499, 0.493843590),
        (749, 0.144272102),
        (998, 2.42877e-06),
        (999, 2.42877e-09),
    ],
)
def test_pinned_numbers_of_the_schedule(step, alpha_bar):
    found = build_schedule(None).alphas_cumprod[step].item()
    assert found == pytest.approx(alpha_bar, rel=1e-4)


def test_the_sigmoid_schedule_is_the_published_one():
    """Jabri et al. 2022, with the piece from -3 to 3."""
    schedule = build_schedule(
        dict(beta_schedule='sigmoid', prediction_type='v_prediction')
    )
    low, high = 1 / (1 + math.exp(3)), 1 / (1 + math.exp(-3))
    for step in (0, 1, 249, 499, 749, 990):
        here = 1 / (1 + math.exp(3 - 6 * (step + 1) / 1000))
        expected = (high - here) / (high - low)
        found = schedule.alphas_cumprod[step].item()
        assert found == pytest.approx(expected, rel=1e-3)
    assert schedule.alphas_cumprod[499] == pytest.approx(0.5, abs=1e-3)
    assert schedule.alphas_cumprod[999] < 1e-5
    assert schedule.config.prediction_type == 'v_prediction'


def test_it_may_have_other_steps():
    schedule = build_schedule(
        dict(beta_schedule='sigmoid', num_train_timesteps=50)
    )
    assert len(schedule.betas) == 50
    assert (schedule.betas > 0).all()
    assert (schedule.betas <= 0.999).all()


def test_other_schedules_are_those_of_diffusers():
    schedule = build_schedule(dict(beta_schedule='linear'))
    torch.testing.assert_close(
        schedule.betas, torch.linspace(1e-4, 0.02, 1000)
    )
