import math

import pytest
import torch

from mmdet_ddpm_moco.models.noise_schedule import build_schedule


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
