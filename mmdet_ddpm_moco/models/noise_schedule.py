"""Noise schedules: diffusers' own, and one that it lacks."""

import math
from collections.abc import Mapping

from diffusers import DDPMScheduler

from ..utils.errors import InputError

PREDICTION_TYPES = ('epsilon', 'sample', 'v_prediction')


def build_schedule(settings: Mapping | None = None) -> DDPMScheduler:
    """Builds the schedule that a generator is trained with.

    Args:
        settings (Mapping, optional): Arguments of diffusers'
            ``DDPMScheduler``. ``beta_schedule='sigmoid'`` is that of
            :func:`sigmoid_betas`, not diffusers' of the same name, which no
            fast sampler knows. Defaults to None, a cosine schedule of 1000
            steps with v-prediction.

    Returns:
        DDPMScheduler: The schedule.

    Raises:
        ValueError: ``prediction_type`` is unknown.
    """
    settings = dict(
        settings
        if settings is not None
        else dict(
            beta_schedule='squaredcos_cap_v2', prediction_type='v_prediction'
        )
    )
    if settings.get('beta_schedule') == 'sigmoid':
        del settings['beta_schedule']
        steps = settings.get('num_train_timesteps', 1000)
        settings['trained_betas'] = sigmoid_betas(steps)
    schedule = DDPMScheduler(**settings)
    kind = schedule.config.prediction_type
    if kind not in PREDICTION_TYPES:
        msg = (
            f'prediction_type must be one of {PREDICTION_TYPES}, got {kind!r}'
        )
        raise InputError(msg)
    return schedule


def sigmoid_betas(steps: int) -> list[float]:
    """Betas of the sigmoid schedule.

    The signal's share falls along a piece of a sigmoid s::

        alpha_bar(t) = (s(3) - s(6t - 3)) / (s(3) - s(-3))

    for t in [0, 1]. Jabri et al., Scalable Adaptive Computation for
    Iterative Generation, 2022, with its defaults.

    Args:
        steps (int): Number of steps, at least 1.

    Returns:
        list[float]: In (0, 0.999], ``steps`` of them.
    """

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    def alpha_bar(t: float) -> float:
        return (sigmoid(3) - sigmoid(6 * t - 3)) / (sigmoid(3) - sigmoid(-3))

    # As for the cosine: the last step may not wipe out everything at once.
    return [
        min(1 - alpha_bar((i + 1) / steps) / alpha_bar(i / steps), 0.999)
        for i in range(steps)
    ]
