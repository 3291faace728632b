"""Quality gates: which windows may enter a bank.

A gate looks at one window, its host and the training set, never at other
windows of the bank: so the bank does not depend on the order in which its
windows are made.
"""

from collections.abc import Callable

import cv2
import numpy as np

from ..bank.compositing import Box, alpha_box, as_bgr, crop
from ..bank.reader import NULL, REPLACES
from ..datasets.labeled_images import LabeledImages
from .near_copies import SeenDefects, distance, thumbnail
from .planner import WindowPlan, WindowPlanner

# Side in pixels of the neighborhoods that are compared, and width of the
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
    # A gray level more, since pixels are rounded.
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


NOTHING_VISIBLE = 'nothing visible'
SEAM = 'seam'
NEAR_COPY = 'near copy'
NOT_DETECTED = 'not detected'

# Gray levels; below this a person sees no difference on a screen.
MIN_CHANGE = 2.0
# Share of untouched windows whose rims stand off further from their ground
# than a synthesized one's may.
SEAM_QUANTILE = 0.99
# Untouched windows that this is measured on.
SEAM_WINDOWS = 256
# A variation must differ from its source by this much, as distances between
# thumbnails go: 0 is the same, 1 has nothing in common.
MIN_VARIATION = 0.005


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
        float: Mean absolute difference where alpha is 255, in gray levels.
    """
    blurred = [cv2.blur(p.astype(np.float32), (5, 5)) for p in (before, after)]
    difference = np.abs(blurred[0] - blurred[1])
    if difference.ndim == 3:
        difference = difference.mean(axis=2)
    return float(difference[alpha == 255].mean())


class QualityGates:
    """The gates of a bank.

    Four things keep a window out:

    - ``nothing visible``: it should show a defect, and its ground hardly
      changed, see :func:`visible_change`.
    - ``seam``: the rim stands off from its ground, see :func:`seam`, further
      than in 99 of 100 windows before they were painted.
    - ``near copy``: an added defect is one of the training set, see
      :class:`SeenDefects`; a variation is its source.
    - ``not detected``: a detector does not find the defect in its host.

    Args:
        data (LabeledImages): The training images.
        planner (WindowPlanner): Says where windows lie.
        detects (Callable, optional): From an image, BGR uint8 (H, W, 3), a
            box and a label to whether a detector finds them, such as a
            :class:`JudgeGate`. Defaults to None, which is not asked.
    """

    def __init__(
        self,
        data: LabeledImages,
        planner: WindowPlanner,
        detects: Callable[[np.ndarray, Box, int], bool] | None = None,
    ) -> None:
        self.data = data
        self.detects = detects
        self.seen = SeenDefects(data)
        plans = map(planner.plan, range(SEAM_WINDOWS))
        self.max_seam = float(
            np.quantile(
                [
                    seam(crop(data.read(p.image), p.window), p.alpha)
                    for p in plans
                ],
                SEAM_QUANTILE,
            )
        )

    def rejection(
        self, plan: WindowPlan, before: np.ndarray, after: np.ndarray
    ) -> str | None:
        """Names the gate that a window fails.

        Args:
            plan (WindowPlan): What was to be painted.
            before (np.ndarray): uint8 (H, W, C), the window as it was.
            after (np.ndarray): uint8 (H, W, C), the composite.

        Returns:
            str | None: The name, or None for an accepted window.
        """
        if plan.kind != NULL:
            box = alpha_box(plan.alpha)
            if box is None or not (
                visible_change(before, after, plan.alpha) >= MIN_CHANGE
            ):
                return NOTHING_VISIBLE
        if seam(after, plan.alpha) > max(
            self.max_seam, seam(before, plan.alpha)
        ):
            return SEAM
        if plan.kind == NULL:
            return None
        defect = crop(after, box)
        if plan.kind == REPLACES:
            source = thumbnail(crop(before, box))[None]
            copied = distance(thumbnail(defect), source) < MIN_VARIATION
        else:
            copied = self.seen.is_copy(defect, plan.label)
        if copied:
            return NEAR_COPY
        if self.detects is None:
            return None
        host = self.data.read(plan.image).copy()
        crop(host, plan.window)[:] = after
        found = self.detects(as_bgr(host), plan.box, plan.label)
        return None if found else NOT_DETECTED
