"""Normalization of windows by the contrast of their own background.

The backgrounds in one data set differ widely in contrast: around NEU-DET's
defects their standard deviation is 4 gray levels (dark, polished sheet) to
60. A generator trained on gray levels makes the same absolute error on all of
them, which on the first shows as a patch of wrong tone and grain. So it is
trained in units of the contrast around the defect. This step is the
project's own; DDPM-MoCo (arXiv 2407.03332) has no masks.
"""

import torch

# Smallest scale: half a gray level of rounding to either side.
MIN_SCALE = 1 / 127.5
# With fewer background pixels than this, all pixels are measured.
MIN_PIXELS = 16
# Quantiles from which the scale is computed, and how many standard
# deviations they are apart in a normal distribution.
QUANTILES = (0.1, 0.9)
NORMAL_RANGE = 2.5631
# Range of normalized windows; 200 scales to either side.
NORMALIZED_RANGE = 3.0


def background_statistics(
    image: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Measures tone and contrast of the background around the mask.

    Both are quantiles, which are robust against the defect's own edge and
    other defects nearby. A standard deviation would include them, so that
    on a defect-free area the same defect would come out fainter.

    Args:
        image (torch.Tensor): float (N, C, H, W) in [-1, 1].
        mask (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        tuple[torch.Tensor, torch.Tensor]: Median (N, C, 1, 1) and scale
        (N, 1, 1, 1) of the pixels whose mask is 0, or of all pixels where
        there are fewer than ``MIN_PIXELS`` of them. The scale is the range
        between ``QUANTILES`` as a standard deviation, at least
        ``MIN_SCALE``.
    """
    background = mask == 0
    too_few = background.sum((2, 3), keepdim=True) < MIN_PIXELS
    pixels = image.masked_fill(~(background | too_few), float('nan'))
    # In two steps: with device=, torch would wait for the GPU.
    quantiles = torch.tensor((QUANTILES[0], 0.5, QUANTILES[1]))
    low, median, high = torch.nanquantile(
        pixels.flatten(2),
        quantiles.to(pixels, non_blocking=True),
        dim=2,
    )  # each (N, C)
    scale = ((high - low) / NORMAL_RANGE).square().mean(1).sqrt()
    return (
        median[..., None, None],
        scale.clamp(min=MIN_SCALE)[:, None, None, None],
    )


def normalize(
    image: torch.Tensor, median: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Gray levels to units of contrast: ``asinh((x - median) / scale) / 2``.

    Nearly linear for the grain, logarithmic for a defect that differs from
    its background by many times the grain.

    Args:
        image (torch.Tensor): float (N, C, H, W).
        median (torch.Tensor): float (N, C, 1, 1).
        scale (torch.Tensor): float (N, 1, 1, 1), above 0.
    """
    return torch.asinh((image - median) / scale) / 2


def denormalize(
    normalized: torch.Tensor, median: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Inverts :func:`normalize`, clamping to ``NORMALIZED_RANGE`` first."""
    clamped = normalized.clamp(-NORMALIZED_RANGE, NORMALIZED_RANGE)
    return median + scale * torch.sinh(2 * clamped)
