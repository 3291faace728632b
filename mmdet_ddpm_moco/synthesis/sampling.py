"""Sampling: pure functions from a U-Net and conditions to windows."""

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from ..models.conditioning import unet_input


def fast_scheduler(trained: DDPMScheduler) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ on the schedule that a generator was trained with.

    Lu et al., DPM-Solver++, 2022. A cosine schedule ends in almost pure
    noise, where the solver's logarithms run away; -5.1 is the bound that
    diffusers documents for it.
    """
    cosine = trained.config.beta_schedule == 'squaredcos_cap_v2'
    return DPMSolverMultistepScheduler.from_config(
        trained.config,
        algorithm_type='dpmsolver++',
        # DDPM's own spacing, which a saved config carries over, would not
        # start at the end of the schedule.
        timestep_spacing='linspace',
        lambda_min_clipped=-5.1 if cosine else -float('inf'),
    )


def most_steps(scheduler: DPMSolverMultistepScheduler) -> int:
    """Most steps that a scheduler can take.

    Of two steps that fall on one time, the second divides by 0.
    """
    used = scheduler.lambda_t >= scheduler.config.lambda_min_clipped
    return int(used.sum()) - 1


def check_sampling(
    scheduler: DPMSolverMultistepScheduler, steps: int, strength: float
) -> None:
    """Checks what :func:`sample_windows` is asked for.

    Raises:
        ValueError: ``steps`` or ``strength`` out of range.
    """
    limit = most_steps(scheduler)
    if not 1 <= steps <= limit:
        msg = f'steps must be from 1 to {limit}, got {steps}'
        raise ValueError(msg)
    if not 0 < strength <= 1:
        msg = f'strength must be in (0, 1], got {strength}'
        raise ValueError(msg)


@torch.inference_mode()
def sample_windows(
    unet: torch.nn.Module,
    scheduler: DPMSolverMultistepScheduler,
    image: torch.Tensor,
    mask: torch.Tensor,
    label: torch.Tensor,
    noise: torch.Tensor,
    *,
    steps: int,
    strength: float = 1.0,
) -> torch.Tensor:
    """Paints a defect into each window.

    All randomness comes in as ``noise``: the solver itself is
    deterministic.

    Args:
        unet (nn.Module): A ``UNet2DModel`` conditioned as in
            :class:`DefectDDPM`.
        scheduler (DPMSolverMultistepScheduler): From
            :func:`fast_scheduler`.
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

    Returns:
        torch.Tensor: float32 (N, C, H, W) in [-1, 1].

    Raises:
        ValueError: ``steps`` or ``strength`` out of range.
    """
    check_sampling(scheduler, steps, strength)
    scheduler.set_timesteps(steps, device=image.device)
    first = min(round(steps * (1 - strength)), len(scheduler.timesteps) - 1)
    timesteps = scheduler.timesteps[first:]
    scheduler.set_begin_index(first)
    if strength < 1:
        start = timesteps[:1].expand(len(image))
        sample = scheduler.add_noise(image, noise, start)
    else:
        sample = noise * scheduler.init_noise_sigma
    # The scheduler keeps its arithmetic in float32; only the U-Net is cast.
    for timestep in timesteps:
        with torch.autocast(image.device.type, torch.bfloat16):
            prediction = unet(
                unet_input(sample, image, mask), timestep, class_labels=label
            ).sample
        sample = scheduler.step(
            prediction.float(), timestep, sample
        ).prev_sample
    return sample.clamp(-1, 1)
