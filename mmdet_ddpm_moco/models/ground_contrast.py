"""Windows in units of their own ground's contrast.

One data set holds grounds of very different contrast: those of NEU-DET's
defects have standard deviations from 4 grey levels (dark, polished sheet) to
60. A generator that works in grey levels makes the same error on all of them:
on the first it shows as a patch of foreign tone and grain. So it works in
units of the ground around the defect.
"""

import torch

# Least spread of a ground: half a grey level of rounding each way.
MIN_SPREAD = 1 / 127.5
# Known pixels below which the ground is not measured.
MIN_KNOWN = 16
# Range of encoded windows; 200 spreads either way.
ENCODED_RANGE = 3.0


def ground_contrast(
    image: torch.Tensor, alpha: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Measures tone and contrast of the ground around the masked part.

    Args:
        image (torch.Tensor): float (N, C, H, W) in [-1, 1].
        alpha (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        tuple[torch.Tensor, torch.Tensor]: Mean (N, C, 1, 1) and standard
        deviation (N, 1, 1, 1), at least ``MIN_SPREAD``, of the pixels
        weighted by ``1 - alpha``; of all pixels where hardly any is known.
    """
    known = 1 - alpha
    few = known.sum((2, 3), keepdim=True) < MIN_KNOWN
    weight = known.masked_fill(few, 1.0)
    weight = weight / weight.sum((2, 3), keepdim=True)
    mean = (image * weight).sum((2, 3), keepdim=True)
    variance = ((image - mean).square() * weight).sum((2, 3), keepdim=True)
    spread = variance.mean(1, keepdim=True).sqrt()
    return mean, spread.clamp(min=MIN_SPREAD)


def encode(
    image: torch.Tensor, mean: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """Grey levels to units of contrast: ``asinh((x - mean) / spread) / 2``.

    Nearly linear for the grain, logarithmic for a defect that stands off by
    many times the grain.

    Args:
        image (torch.Tensor): float (N, C, H, W).
        mean (torch.Tensor): float (N, C, 1, 1).
        spread (torch.Tensor): float (N, 1, 1, 1), above 0.

    Returns:
        torch.Tensor: float (N, C, H, W).
    """
    return torch.asinh((image - mean) / spread) / 2


def decode(
    encoded: torch.Tensor, mean: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """Inverse of :func:`encode`; beyond ``ENCODED_RANGE`` it is clamped."""
    limited = encoded.clamp(-ENCODED_RANGE, ENCODED_RANGE)
    return mean + spread * torch.sinh(2 * limited)
