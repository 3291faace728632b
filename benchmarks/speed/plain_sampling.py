"""Sampling as one would write it first: what ours is compared with."""

import torch
from diffusers import DDPMScheduler
from tqdm import tqdm

from benchmarks.speed.window_batch import WindowBatch
from mmdet_ddpm_moco.models.background_norm import (
    background_norm,
    decode,
    encode,
)
from mmdet_ddpm_moco.models.conditioning import masked_image, unet_input


@torch.no_grad()
def plain_sampling(
    unet: torch.nn.Module,
    scheduler: DDPMScheduler,
    batch: WindowBatch,
    source: torch.Generator | None = None,
) -> torch.Tensor:
    """Walks all steps of the schedule with diffusers' own DDPM.

    The U-Net is shown what :func:`sample_windows` shows it, in float32.

    Args:
        unet (nn.Module): A ``UNet2DModel`` conditioned by mask.
        scheduler (DDPMScheduler): The schedule.
        batch (WindowBatch): The windows.
        source (torch.Generator, optional): Of the noise on the way. Defaults
            to None, torch's global one.

    Returns:
        torch.Tensor: float32 (N, C, H, W) in [-1, 1].
    """
    scheduler.set_timesteps(
        scheduler.config.num_train_timesteps, device=batch.image.device
    )
    ground = background_norm(batch.image, batch.mask)
    known = masked_image(encode(batch.image, *ground), batch.mask)
    sample = batch.noise
    for timestep in tqdm(scheduler.timesteps, 'plain DDPM', unit='step'):
        prediction = unet(
            unet_input(sample, known), timestep, class_labels=batch.label
        ).sample
        sample = scheduler.step(
            prediction, timestep, sample, generator=source
        ).prev_sample
    return decode(sample, *ground).clamp(-1, 1)
