"""The loss of the generator."""

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr


def denoising_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    mask: torch.Tensor,
    background_weight: float,
    sample_weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Squared error, L_simple of DDPM (arXiv 2006.11239, eq. 14), weighted.

    Outside the defect the U-Net is given the pixels it should return, and
    compositing discards what it returns there, so those errors are
    weighted less. The weights average to 1 over each window, so that a small
    defect counts as much as a large one.

    Args:
        prediction (torch.Tensor): float (N, C, H, W).
        target (torch.Tensor): float (N, C, H, W).
        mask (torch.Tensor): float (N, 1, H, W) in [0, 1].
        background_weight (float): Weight where the mask is 0, relative to
            where it is 1. In (0, 1].
        sample_weight (torch.Tensor, optional): float (N, ), weight of each
            window, see :func:`min_snr_weight`. Defaults to None, 1 each.

    Returns:
        torch.Tensor: Scalar.
    """
    weight = background_weight + (1 - background_weight) * mask
    weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True)
    if sample_weight is not None:
        weight = weight * sample_weight.view(-1, 1, 1, 1)
    return (weight * (prediction.float() - target).square()).mean()


def min_snr_weight(
    schedule: DDPMScheduler, timesteps: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Min-SNR weights (Hang et al., arXiv 2303.09556).

    They keep timesteps with little noise from dominating the loss: the
    error of the predicted clean window is weighted by ``min(SNR, gamma)``,
    whatever the prediction type.

    Args:
        schedule (DDPMScheduler): The schedule, with its prediction type.
        timesteps (torch.Tensor): int64 (N, ).
        gamma (float): Above 0.

    Returns:
        torch.Tensor: float32 (N, ).
    """
    snr = compute_snr(schedule, timesteps)
    weight = snr.clamp(max=gamma)
    prediction_type = schedule.config.prediction_type
    if prediction_type == 'epsilon':
        return weight / snr
    if prediction_type == 'v_prediction':
        return weight / (snr + 1)
    return weight
