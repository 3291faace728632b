"""Windows in units of their own ground's contrast.

One data set holds grounds of very different contrast: those of NEU-DET's
defects have standard deviations from 4 gray levels (dark, polished sheet) to
60. A generator that works in gray levels makes the same error on all of them:
on the first it shows as a patch of foreign tone and grain. So it works in
units of the ground around the defect.
"""

import torch

# Least spread of a ground: half a gray level of rounding each way.
MIN_SPREAD = 1 / 127.5
# Known pixels below which the ground is not measured.
MIN_KNOWN = 16
# Quantiles that the spread of a ground is taken from, and how many standard
# deviations they are apart in a normal distribution.
QUANTILES = (0.1, 0.9)
NORMAL_RANGE = 2.5631
# Range of encoded windows; 200 spreads either way.
ENCODED_RANGE = 3.0


def background_norm(
    image: torch.Tensor, alpha: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Measures tone and contrast of the ground around the masked part.

    Both come from quantiles. Beside a defect there are often others, and its
    own edge: a standard deviation would count them in, and on free ground,
    which has none, the same defect would come out fainter.

    Args:
        image (torch.Tensor): float (N, C, H, W) in [-1, 1].
        alpha (torch.Tensor): float (N, 1, H, W) in [0, 1].

    Returns:
        tuple[torch.Tensor, torch.Tensor]: Median (N, C, 1, 1), and spread
        (N, 1, 1, 1), at least ``MIN_SPREAD``, of the pixels whose alpha is
        0; of all pixels where hardly any is. The spread is the range
        between ``QUANTILES``, as a standard deviation.
    """
    known = alpha == 0
    few = known.sum((2, 3), keepdim=True) < MIN_KNOWN
    pixels = image.masked_fill(~(known | few), float('nan')).flatten(2)
    low, median, high = torch.nanquantile(
        pixels, pixels.new_tensor([QUANTILES[0], 0.5, QUANTILES[1]]), dim=2
    )  # each (N, C)
    spread = ((high - low) / NORMAL_RANGE).square().mean(1).sqrt()
    return (
        median[..., None, None],
        spread.clamp(min=MIN_SPREAD)[:, None, None, None],
    )


def encode(
    image: torch.Tensor, tone: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """Gray levels to units of contrast: ``asinh((x - tone) / spread) / 2``.

    Nearly linear for the grain, logarithmic for a defect that stands off by
    many times the grain.

    Args:
        image (torch.Tensor): float (N, C, H, W).
        tone (torch.Tensor): float (N, C, 1, 1).
        spread (torch.Tensor): float (N, 1, 1, 1), above 0.

    Returns:
        torch.Tensor: float (N, C, H, W).
    """
    return torch.asinh((image - tone) / spread) / 2


def decode(
    encoded: torch.Tensor, tone: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """Inverse of :func:`encode`; beyond ``ENCODED_RANGE`` it is clamped."""
    limited = encoded.clamp(-ENCODED_RANGE, ENCODED_RANGE)
    return tone + spread * torch.sinh(2 * limited)
