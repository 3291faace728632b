"""Noise schedules: those of diffusers, and the sigmoid one of DDPM-MoCo."""

import math
from collections.abc import Mapping

from diffusers import DDPMScheduler

from ..utils.checks import check_arguments

PREDICTION_TYPES = ('epsilon', 'sample', 'v_prediction')


def build_schedule(settings: Mapping | None = None) -> DDPMScheduler:
    """Builds the schedule that a generator is trained with.

    Args:
        settings (Mapping, optional): Arguments of diffusers'
            ``DDPMScheduler``. ``beta_schedule='sigmoid'`` is that of
            :func:`sigmoid_betas`, not diffusers' of the same name, which its
            fast samplers do not support. Defaults to None, the cosine
            schedule of improved DDPM (arXiv 2102.09672, eq. 17) of 1000
            steps, with v-prediction (arXiv 2202.00512, appendix D).

    Raises:
        ValueError: ``prediction_type`` is unknown.
    """
    if settings is None:
        settings = dict(
            beta_schedule='squaredcos_cap_v2', prediction_type='v_prediction'
        )
    settings = dict(settings)
    if settings.get('beta_schedule') == 'sigmoid':
        del settings['beta_schedule']
        steps = settings.get('num_train_timesteps', 1000)
        settings['trained_betas'] = sigmoid_betas(steps)
    schedule = DDPMScheduler(**settings)
    known = schedule.config.prediction_type in PREDICTION_TYPES
    check_arguments(
        schedule.config,
        prediction_type=(known, f'one of {PREDICTION_TYPES}'),
    )
    return schedule


def sigmoid_betas(steps: int) -> list[float]:
    """Betas of the sigmoid schedule, which DDPM-MoCo trains with.

    From Jabri et al., arXiv 2212.11972, with its default start, end and
    temperature. With s the sigmoid, for t in [0, 1]::

        alpha_bar(t) = (s(3) - s(6t - 3)) / (s(3) - s(-3))

    Args:
        steps (int): Number of steps, at least 1.

    Returns:
        list[float]: ``steps`` values in (0, 0.999]. The last one is
        clipped, as in the cosine schedule, to keep alpha_bar above 0.
    """

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    def alpha_bar(t: float) -> float:
        return (sigmoid(3) - sigmoid(6 * t - 3)) / (sigmoid(3) - sigmoid(-3))

    return [
        min(1 - alpha_bar((i + 1) / steps) / alpha_bar(i / steps), 0.999)
        for i in range(steps)
    ]
