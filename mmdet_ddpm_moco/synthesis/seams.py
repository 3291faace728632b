"""How far the rim of a synthesised window stands off from its ground."""

import cv2
import numpy as np

# Side in pixels of the neighbourhoods that are compared, and width of the
# ground around the rim that is looked at.
_NEAR = 11


def seam(picture: np.ndarray, alpha: np.ndarray) -> float:
    """Measures the step in tone between the fading rim and what is outside.

    At every pixel of the rim the mean tone of the rim near it is compared
    with the mean tone of the ground near it; the mean difference is divided
    by the ground's own contrast.

    Args:
        picture (np.ndarray): uint8 (H, W, C).
        alpha (np.ndarray): uint8 (H, W).

    Returns:
        float: At least 0, in standard deviations of the ground; 0 where
        there is no rim or no ground.
    """
    rim = (alpha > 0) & (alpha < 255)
    near = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((_NEAR, _NEAR)))
    ground = (near > 0) & (alpha == 0)
    if not rim.any() or not ground.any():
        return 0.0
    tone = picture.astype(np.float32).mean(axis=2)
    rim_mean, rim_share = _local_mean(tone, rim)
    ground_mean, ground_share = _local_mean(tone, ground)
    # A few pixels have no mean worth the name.
    compared = rim & (np.minimum(rim_share, ground_share) > 0.1)
    if not compared.any():
        return 0.0
    step = np.abs(rim_mean - ground_mean)[compared].mean()
    # A grey level more, since pixels are rounded.
    return float(step / (tone[ground].std() + 1))


def _local_mean(
    tone: np.ndarray, where: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean tone of the chosen pixels near each pixel, and their share."""
    weight = where.astype(np.float32)
    options = dict(ksize=(_NEAR, _NEAR), borderType=cv2.BORDER_CONSTANT)
    share = cv2.blur(weight, **options)
    total = cv2.blur(tone * weight, **options)
    return total / np.maximum(share, 1e-6), share
