"""Sampling: pure functions from a U-Net and conditions to windows."""

import inspect
from collections.abc import Sequence

import torch
from diffusers import SchedulerMixin

from ..models.background_norm import background_norm, decode, encode
from ..models.conditioning import masked_image, unet_input
from ..utils.errors import InputError
from .samplers import most_steps


def check_sampling(
    sampler: SchedulerMixin, steps: int, strength: float
) -> None:
    """Checks what :func:`sample_windows` is asked for.

    Raises:
        ValueError: ``steps`` or ``strength`` out of range.
    """
    limit = most_steps(sampler)
    if not 1 <= steps <= limit:
        msg = f'steps must be from 1 to {limit}, got {steps}'
        raise InputError(msg)
    if not 0 < strength <= 1:
        msg = f'strength must be in (0, 1], got {strength}'
        raise InputError(msg)


@torch.inference_mode()
def sample_windows(
    unet: torch.nn.Module,
    sampler: SchedulerMixin,
    image: torch.Tensor,
    mask: torch.Tensor,
    label: torch.Tensor,
    noise: torch.Tensor,
    *,
    steps: int,
    strength: float = 1.0,
    guidance: float = 1.0,
    null_label: int | None = None,
    generators: Sequence[torch.Generator] | None = None,
) -> torch.Tensor:
    """Paints a defect into each window.

    All randomness comes in: as ``noise``, and for a sampler that adds more
    of it on its way, from ``generators``.

    Args:
        unet (nn.Module): A ``UNet2DModel`` conditioned as in
            :class:`DefectDDPM`, by mask.
        sampler (SchedulerMixin): From :func:`build_sampler`.
        image (torch.Tensor): float32 (N, C, H, W) in [-1, 1], the windows
            as they are; H and W multiples of ``Generator.multiple``.
        mask (torch.Tensor): float32 (N, 1, H, W) in [0, 1], alpha.
        label (torch.Tensor): int64 (N, ).
        noise (torch.Tensor): float32 (N, C, H, W), standard normal.
        steps (int): Steps of the whole way from noise, at least 1.
        strength (float): How much of that way is gone, in (0, 1]. 1 starts
            from noise alone; less starts from the window noised to that
            point (SDEdit, Meng et al., 2021) and takes as many steps fewer.
            Defaults to 1.0.
        guidance (float): Weight of the class, w in ``u + w (c - u)`` with
            the predictions c of the class and u without class (Ho and
            Salimans, Classifier-Free Diffusion Guidance, 2022). Other than 1
            the U-Net works twice. Defaults to 1.0.
        null_label (int, optional): Label that the U-Net knows as "without
            class"; needed where ``guidance`` is not 1.
        generators (Sequence[torch.Generator], optional): One per window,
            for the ``ddpm`` sampler.

    Returns:
        torch.Tensor: float32 (N, C, H, W) in [-1, 1].

    Raises:
        ValueError: ``steps`` or ``strength`` out of range.
    """
    check_sampling(sampler, steps, strength)
    sampler.set_timesteps(steps, device=image.device)
    first = min(round(steps * (1 - strength)), len(sampler.timesteps) - 1)
    timesteps = sampler.timesteps[first:]
    if hasattr(sampler, 'set_begin_index'):
        sampler.set_begin_index(first)
    ground = background_norm(image, mask)
    image = encode(image, *ground)
    if strength < 1:
        start = timesteps[:1].expand(len(image))
        sample = sampler.add_noise(image, noise, start)
    else:
        sample = noise * sampler.init_noise_sigma
    # Some samplers take generators and draw nothing from them.
    draws = 'generator' in inspect.signature(sampler.step).parameters
    more = dict(generator=list(generators)) if draws and generators else {}

    known = masked_image(image, mask)
    # The sampler keeps its arithmetic in float32; only the U-Net is cast.
    for timestep in timesteps:
        with torch.autocast(image.device.type, torch.bfloat16):
            shown = unet_input(sample, known)
            prediction = unet(shown, timestep, class_labels=label).sample
            if guidance != 1:
                without = unet(
                    shown,
                    timestep,
                    class_labels=torch.full_like(label, null_label),
                ).sample
                prediction = without + guidance * (prediction - without)
        sample = sampler.step(
            prediction.float(), timestep, sample, **more
        ).prev_sample
    return decode(sample, *ground).clamp(-1, 1)
