"""The generator's loss."""

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr


def denoising_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    alpha: torch.Tensor,
    background_weight: float,
    step_weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Squared error, weighted by how much synthesis may change a pixel.

    Outside the defect the generator is shown the very pixels it should
    return, and compositing discards what it returns there, so those errors
    count less. The weights average to 1 over each window, so that a small
    defect counts as much as a large one.

    Args:
        prediction (torch.Tensor): float (N, C, H, W).
        target (torch.Tensor): float (N, C, H, W).
        alpha (torch.Tensor): float (N, 1, H, W) in [0, 1].
        background_weight (float): Weight where alpha is 0, against 1 where it
            is 1. In (0, 1].
        step_weight (torch.Tensor, optional): float (N, ), what each window
            counts, see :func:`min_snr_weight`. Defaults to None, 1 each.

    Returns:
        torch.Tensor: Scalar.
    """
    weight = background_weight + (1 - background_weight) * alpha
    weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True)
    if step_weight is not None:
        weight = weight * step_weight.view(-1, 1, 1, 1)
    return (weight * (prediction.float() - target).square()).mean()


def min_snr_weight(
    schedule: DDPMScheduler, steps: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Weights that keep steps of little noise from ruling the loss.

    An error of the predicted window counts ``min(SNR, gamma)`` at every
    step, whatever is predicted. Hang et al., Efficient Diffusion Training
    via Min-SNR Weighting Strategy, 2023.

    Args:
        schedule (DDPMScheduler): The schedule; says what is predicted.
        steps (torch.Tensor): int64 (N, ).
        gamma (float): Above 0.

    Returns:
        torch.Tensor: float32 (N, ).
    """
    snr = compute_snr(schedule, steps)
    weight = snr.clamp(max=gamma)
    kind = schedule.config.prediction_type
    if kind == 'epsilon':
        return weight / snr
    return weight / (snr + 1) if kind == 'v_prediction' else weight
