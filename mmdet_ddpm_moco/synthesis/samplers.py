"""The samplers: diffusers' schedulers, set up for a trained generator."""

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)

from ..models.background_norm import ENCODED_RANGE
from ..utils.errors import InputError

# Both clip the window that they predict, to a range that is not ours.
_CLIPPED = dict(timestep_spacing='trailing', clip_sample_range=ENCODED_RANGE)

# Lowest half log-SNR that sampling starts from. Schedules may end in almost
# pure noise, where the solver's logarithms run away; this is the bound that
# diffusers documents.
LOWEST_LAMBDA = -5.1

_SAMPLERS = {
    # Lu et al., DPM-Solver++, 2022.
    'dpmsolver++': (
        DPMSolverMultistepScheduler,
        dict(
            algorithm_type='dpmsolver++',
            timestep_spacing='linspace',
            lambda_min_clipped=LOWEST_LAMBDA,
        ),
    ),
    # Song et al., Denoising Diffusion Implicit Models, 2021.
    'ddim': (DDIMScheduler, _CLIPPED),
    # Zhao et al., UniPC, 2023.
    'unipc': (UniPCMultistepScheduler, dict(timestep_spacing='linspace')),
    # Ho et al., Denoising Diffusion Probabilistic Models, 2020.
    'ddpm': (DDPMScheduler, _CLIPPED),
}
SAMPLERS = tuple(_SAMPLERS)


def build_sampler(name: str, trained: DDPMScheduler) -> SchedulerMixin:
    """Sets up a sampler on the schedule that a generator was trained with.

    Args:
        name (str): One of ``SAMPLERS``.
        trained (DDPMScheduler): The schedule.

    Returns:
        SchedulerMixin: One of diffusers' schedulers.

    Raises:
        ValueError: Another name.
    """
    if name not in _SAMPLERS:
        msg = f'sampler must be one of {", ".join(SAMPLERS)}, got {name!r}'
        raise InputError(msg)
    kind, settings = _SAMPLERS[name]
    # The spacing is always given: DDPM's own, which a saved schedule carries
    # along, does not start at the end of the schedule.
    return kind.from_config(trained.config, **settings)


def most_steps(sampler: SchedulerMixin) -> int:
    """Most steps that a sampler can take.

    Of two steps that fall on one time, a solver's second divides by 0.
    """
    if isinstance(sampler, DPMSolverMultistepScheduler):
        used = sampler.lambda_t >= sampler.config.lambda_min_clipped
        return int(used.sum()) - 1
    steps = sampler.config.num_train_timesteps
    return steps - 1 if isinstance(sampler, UniPCMultistepScheduler) else steps
