"""Quality gates: which windows may enter a bank."""

import cv2
import numpy as np

# Grey levels; below this a person sees no difference on a screen.
MIN_CHANGE = 2.0


def visible_change(
    before: np.ndarray, after: np.ndarray, alpha: np.ndarray
) -> float:
    """How much synthesis changed the ground under the defect.

    The mean difference is taken between the two pictures *blurred* by 5
    pixels, so that fresh grain alone does not count as a change.

    Args:
        before (np.ndarray): uint8 (H, W, C), the window as it was.
        after (np.ndarray): uint8 (H, W, C), the composite.
        alpha (np.ndarray): uint8 (H, W).

    Returns:
        float: Mean absolute difference where alpha is 255, in grey levels.
    """
    blurred = [cv2.blur(p.astype(np.float32), (5, 5)) for p in (before, after)]
    difference = np.abs(blurred[0] - blurred[1])
    if difference.ndim == 3:
        difference = difference.mean(axis=2)
    return float(difference[alpha == 255].mean())


def rejection(
    kind: str, before: np.ndarray, after: np.ndarray, alpha: np.ndarray
) -> str | None:
    """Names the gate that a window fails.

    Args:
        kind (str): ``'add'``, ``'replaces'`` or ``'null'``.
        before (np.ndarray): uint8 (H, W, C).
        after (np.ndarray): uint8 (H, W, C).
        alpha (np.ndarray): uint8 (H, W).

    Returns:
        str | None: ``'nothing visible'``, or None for an accepted window.
    """
    # Of a defect without a pixel the change is not a number.
    if kind != 'null' and not (
        visible_change(before, after, alpha) >= MIN_CHANGE
    ):
        return 'nothing visible'
    return None
