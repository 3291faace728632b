"""What the U-Net is shown."""

import torch


def unet_input(
    noisy: torch.Tensor, image: torch.Tensor, alpha: torch.Tensor
) -> torch.Tensor:
    """Joins the noisy window with what is known of it.

    Args:
        noisy (torch.Tensor): float (N, C, H, W), the window at some step.
        image (torch.Tensor): float (N, C, H, W) in [-1, 1], the window
            itself; what lies under the alpha is removed here.
        alpha (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        torch.Tensor: float (N, 2C + 1, H, W): noisy window, alpha, and the
        window with its masked part removed.
    """
    return torch.cat([noisy, alpha, image * (1 - alpha)], dim=1)
