"""What the U-Net is conditioned on."""

import torch

MASK, CLASS, NONE = 'mask', 'class', 'none'
CONDITIONINGS = (MASK, CLASS, NONE)


def masked_image(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mask and the window around it, as further input channels.

    As in the inpainting U-Net of latent diffusion (arXiv 2112.10752) they
    are concatenated to the noisy window.

    Args:
        image (torch.Tensor): float (N, C, H, W), the normalized window; its
            pixels under the mask are removed here.
        mask (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        torch.Tensor: float (N, C + 1, H, W): the mask, and the window, 0
        (the median of the background) wherever the mask is above 0. The
        fading rim is removed too: a real defect's edge reaches into it, and
        a generator that sees it learns to paint nothing where it is missing.
    """
    return torch.cat([mask, image * (mask == 0)], dim=1)
