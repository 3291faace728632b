"""What the U-Net is shown."""

import torch
from torch.nn import functional

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
        known (torch.Tensor): float (N, C + 1, H, W), of :func:`known_part`.

    Returns:
        torch.Tensor: float (N, 2C + 1, H, W).
    """
    return torch.cat([noisy, known], dim=1)


def known_part(image: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """What is known of a window before its defect is painted.

    Args:
        image (torch.Tensor): float (N, C, H, W) in [-1, 1], the window
            itself; what lies under the alpha is removed here.
        alpha (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        torch.Tensor: float (N, C + 1, H, W): alpha, and the window with its
        masked part removed, see :func:`fill_hole`.
    """
    return torch.cat([alpha, fill_hole(image, alpha)], dim=1)


def fill_hole(image: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Removes what lies under the alpha and lets the surroundings run in.

    A hole of one fixed value, as is usual, leaves the U-Net to find out the
    tone of the ground from afar; trained on few images it then paints
    patches of the mean tone. The hole is filled from a pyramid of means of
    what is known, the push-pull interpolation of Gortler et al., The
    Lumigraph, 1996: smooth, and of the tone of its surroundings.

    Args:
        image (torch.Tensor): float (N, C, H, W).
        alpha (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        torch.Tensor: float (N, C, H, W). ``image`` where alpha is 0; no
        value depends on a pixel where alpha is 1. Where nothing is known at
        all, 0.
    """
    known = 1 - alpha
    levels = [(image * known, known)]
    while max(levels[-1][1].shape[-2:]) > 1:
        levels.append(
            tuple(
                functional.avg_pool2d(part, 2, ceil_mode=True)
                for part in levels[-1]
            )
        )
    value, weight = levels.pop()
    filled = value / weight.clamp(min=torch.finfo(weight.dtype).tiny)
    for value, weight in reversed(levels):
        filled = functional.interpolate(
            filled, size=weight.shape[-2:], mode='bilinear'
        )
        filled = value + (1 - weight) * filled
    return filled
