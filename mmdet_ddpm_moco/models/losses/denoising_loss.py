"""The generator's loss."""

import torch


def denoising_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    alpha: torch.Tensor,
    outside_weight: float,
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
        outside_weight (float): Weight where alpha is 0, against 1 where it
            is 1. In (0, 1].

    Returns:
        torch.Tensor: Scalar.
    """
    weight = outside_weight + (1 - outside_weight) * alpha
    weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True)
    return (weight * (prediction.float() - target).square()).mean()
