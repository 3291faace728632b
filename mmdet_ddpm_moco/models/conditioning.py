"""What the U-Net is shown."""

import torch

MASK, CLASS, NONE = 'mask', 'class', 'none'
CONDITIONINGS = (MASK, CLASS, NONE)


def input_channels(conditioning: str, channels: int) -> int:
    """Channels of the U-Net's input.

    Args:
        conditioning (str): One of ``CONDITIONINGS``.
        channels (int): Channels of a window, 1 or 3.

    Returns:
        int: ``2 * channels + 1`` for ``'mask'``, ``channels`` otherwise.
    """
    return 2 * channels + 1 if conditioning == MASK else channels


def unet_input(noisy: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Joins the noisy window with what is known of it.

    Args:
        noisy (torch.Tensor): float (N, C, H, W), the window at some step.
        known (torch.Tensor): float (N, C + 1, H, W), of :func:`masked_image`.

    Returns:
        torch.Tensor: float (N, 2C + 1, H, W).
    """
    return torch.cat([noisy, known], dim=1)


def masked_image(image: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """What is known of a window before its defect is painted.

    Args:
        image (torch.Tensor): float (N, C, H, W), the window in units of its
            ground's contrast; what lies under the alpha is removed here.
        alpha (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        torch.Tensor: float (N, C + 1, H, W): alpha, and the window with 0,
        which is the tone of the ground, wherever alpha is above 0. The
        fading rim is hidden, too: a real defect's edge reaches into it, and
        a generator that sees it learns to paint nothing where it is missing.
    """
    return torch.cat([alpha, image * (alpha == 0)], dim=1)
