"""Sampling windows: diffusers' schedulers, and the loop around the U-Net."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)

from ..models.background_norm import (
    NORMALIZED_RANGE,
    background_statistics,
    denormalize,
    normalize,
)
from ..models.conditioning import masked_image
from ..utils.checks import check_arguments
from .settings import SAMPLERS

# Both clip the predicted window, by default to a range that is not ours.
_CLIPPED = dict(
    timestep_spacing='trailing', clip_sample_range=NORMALIZED_RANGE
)

# Lowest half log-SNR that sampling starts from. Schedules may end in almost
# pure noise, where the solver's logarithms diverge; this is the bound that
# diffusers documents.
LOWEST_LAMBDA = -5.1

_SCHEDULERS: tuple[tuple[Any, dict], ...] = (
    # Lu et al., DPM-Solver++, 2022.
    (
        DPMSolverMultistepScheduler,
        dict(
            algorithm_type='dpmsolver++',
            timestep_spacing='linspace',
            lambda_min_clipped=LOWEST_LAMBDA,
        ),
    ),
    # Song et al., Denoising Diffusion Implicit Models, 2021.
    (DDIMScheduler, _CLIPPED),
    # Zhao et al., UniPC, 2023.
    (UniPCMultistepScheduler, dict(timestep_spacing='linspace')),
    # Ho et al., Denoising Diffusion Probabilistic Models, 2020.
    (DDPMScheduler, _CLIPPED),
)
_BY_NAME = dict(zip(SAMPLERS, _SCHEDULERS, strict=True))


def build_sampler(name: str, trained: DDPMScheduler) -> SchedulerMixin:
    """Sets up a sampler on the schedule that a generator was trained with.

    Raises:
        ValueError: The name is none of ``SAMPLERS``.
    """
    check_arguments(
        dict(sampler=name),
        sampler=(name in _BY_NAME, f'one of {", ".join(SAMPLERS)}'),
    )
    kind, settings = _BY_NAME[name]
    # The spacing is always given: DDPM's own, which a saved schedule carries
    # along, does not start at the end of the schedule.
    return kind.from_config(trained.config, **settings)


def max_inference_steps(sampler: SchedulerMixin) -> int:
    """Most steps that a sampler can take.

    If two steps had the same timestep, a solver would divide by 0.
    """
    if isinstance(sampler, DPMSolverMultistepScheduler):
        used = sampler.lambda_t >= sampler.config.lambda_min_clipped
        return int(used.sum()) - 1
    steps = sampler.config.num_train_timesteps
    return steps - 1 if isinstance(sampler, UniPCMultistepScheduler) else steps


def check_sampling(
    sampler: SchedulerMixin, num_inference_steps: int, strength: float
) -> None:
    """Checks arguments of :func:`sample_windows`.

    Raises:
        ValueError: ``num_inference_steps`` or ``strength`` out of range.
    """
    limit = max_inference_steps(sampler)
    check_arguments(
        locals(),
        num_inference_steps=(
            1 <= num_inference_steps <= limit,
            f'from 1 to {limit}',
        ),
        strength=(0 < strength <= 1, 'in (0, 1]'),
    )


@torch.inference_mode()
def sample_windows(
    unet: torch.nn.Module,
    sampler: SchedulerMixin,
    image: torch.Tensor,
    mask: torch.Tensor,
    label: torch.Tensor,
    noise: torch.Tensor,
    *,
    num_inference_steps: int,
    strength: float = 1.0,
    guidance_scale: float = 1.0,
    null_label: int | None = None,
    generators: Sequence[torch.Generator] | None = None,
) -> torch.Tensor:
    """Paints a defect into each window.

    All randomness is passed in: as ``noise``, and as ``generators`` for a
    sampler that adds noise at each step.

    Args:
        unet (nn.Module): A ``UNet2DModel`` conditioned as in
            :class:`DefectDDPM`, by mask.
        sampler (SchedulerMixin): From :func:`build_sampler`.
        image (torch.Tensor): float32 (N, C, H, W) in [-1, 1], the windows
            as they are; H and W multiples of ``Generator.multiple``.
        mask (torch.Tensor): float32 (N, 1, H, W) in [0, 1], alpha.
        label (torch.Tensor): int64 (N, ).
        noise (torch.Tensor): float32 (N, C, H, W), standard normal.
        num_inference_steps (int): Denoising steps from pure noise, at least
            1.
        strength (float): Share of these steps that is run, in (0, 1]. 1
            starts from noise alone; less starts from the window noised to
            that point (SDEdit, Meng et al., 2021). Defaults to 1.0.
        guidance_scale (float): w in ``u + w (c - u)`` with the predictions c
            of the class and u without class (Ho and Salimans,
            Classifier-Free Diffusion Guidance, 2022). Other than 1 it takes
            two passes of the U-Net per step. Defaults to 1.0.
        null_label (int, optional): Label of "without class"; needed where
            ``guidance_scale`` is not 1.
        generators (Sequence[torch.Generator], optional): One per window,
            for the ``ddpm`` sampler.

    Returns:
        torch.Tensor: float32 (N, C, H, W) in [-1, 1].

    Raises:
        ValueError: ``num_inference_steps`` or ``strength`` out of range.
    """
    check_sampling(sampler, num_inference_steps, strength)
    sampler.set_timesteps(num_inference_steps, device=image.device)
    skipped = round(num_inference_steps * (1 - strength))
    first = min(skipped, len(sampler.timesteps) - 1)
    timesteps = sampler.timesteps[first:]
    if hasattr(sampler, 'set_begin_index'):
        sampler.set_begin_index(first)
    background = background_statistics(image, mask)
    image = normalize(image, *background)
    if strength < 1:
        start = timesteps[:1].expand(len(image))
        sample = sampler.add_noise(image, noise, start)
    else:
        sample = noise * sampler.init_noise_sigma
    # Some samplers take generators and draw nothing from them.
    draws = 'generator' in inspect.signature(sampler.step).parameters
    extra = dict(generator=list(generators)) if draws and generators else {}

    known = masked_image(image, mask)
    # The sampler computes in float32; only the U-Net is cast.
    for timestep in timesteps:
        with torch.autocast(image.device.type, torch.bfloat16):
            shown = torch.cat([sample, known], dim=1)
            prediction = unet(shown, timestep, class_labels=label).sample
            if guidance_scale != 1:
                assert null_label is not None
                null = torch.full_like(label, null_label)
                without = unet(shown, timestep, class_labels=null).sample
                prediction = without + guidance_scale * (prediction - without)
        sample = sampler.step(
            prediction.float(), timestep, sample, **extra
        ).prev_sample
    return denormalize(sample, *background).clamp(-1, 1)
