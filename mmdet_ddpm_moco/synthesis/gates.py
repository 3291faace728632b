"""Quality gates: which windows may enter a bank.

A gate sees one window, its host and the training set, never other windows of
the bank: so the bank does not depend on the order in which they are made.
"""

import cv2
import numpy as np

from ..bank.compositing import Box, alpha_box, as_bgr, crop
from ..bank.format import NULL, REPLACES
from ..datasets.labeled_images import LabeledImages
from .judge_gate import JudgeGate
from .planner import WindowPlan, WindowPlanner

# On disk, as reasons for rejection in a manifest.
NOTHING_VISIBLE = 'nothing visible'
SEAM = 'seam'
NEAR_COPY = 'near copy'
NOT_DETECTED = 'not detected'
DETECTED = 'defect in a null window'

# Gray levels; a smaller difference is not visible on a screen.
MIN_CHANGE = 2.0
# Side in pixels of the neighborhoods in which rim and background are compared.
SEAM_SIDE = 11
# A synthesized window may have a stronger seam than this share of original
# windows, measured on so many of them.
SEAM_QUANTILE = 0.99
SEAM_WINDOWS = 256
# Side in pixels of the thumbnails that defects are compared by.
THUMBNAIL = 24
# Share of real defects with a smaller distance to another real one than a
# synthesized defect may have to any.
COPY_QUANTILE = 0.01
# Least distance of a variation from its source, as of thumbnails: 0 is the
# same, 1 is uncorrelated.
MIN_VARIATION = 0.005
# Thumbnails that are compared with all others at once, to bound memory.
_ROWS = 64


class QualityGates:
    """The gates of a bank.

    A window is rejected for one of five reasons:

    - ``nothing visible``: it should show a defect, and its background hardly
      changed, see :func:`visible_change`.
    - ``seam``: the rim differs from its background, see :func:`seam`, more
      than in 99 of 100 original windows.
    - ``near copy``: an added defect is one of the training set, see
      :class:`SeenDefects`; a variation is its source.
    - ``not detected``: a detector does not find the defect in its host.
    - ``defect in a null window``: a detector finds one that it did not find
      in the host before.

    Args:
        data (LabeledImages): The training images.
        planner (WindowPlanner): Plans the windows.
        judge (JudgeGate, optional): The detector. Defaults to None, without
            the last two gates.
    """

    def __init__(
        self,
        data: LabeledImages,
        planner: WindowPlanner,
        judge: JudgeGate | None = None,
    ) -> None:
        self.data = data
        self.judge = judge
        self.seen = SeenDefects(data)
        seams = [
            seam(crop(data.read(plan.image), plan.window), plan.alpha)
            for plan in map(planner.plan, range(SEAM_WINDOWS))
        ]
        self.max_seam = float(np.quantile(seams, SEAM_QUANTILE))

    def rejection(
        self, plan: WindowPlan, before: np.ndarray, after: np.ndarray
    ) -> str | None:
        """Names the gate that a window fails; None if it is accepted.

        ``before`` and ``after`` are the original window and the composite,
        uint8 (H, W, C).
        """
        box = alpha_box(plan.alpha)
        if plan.kind != NULL and (
            box is None
            or not visible_change(before, after, plan.alpha) >= MIN_CHANGE
        ):
            return NOTHING_VISIBLE
        limit = max(self.max_seam, seam(before, plan.alpha))
        if seam(after, plan.alpha) > limit:
            return SEAM
        if box is None:
            return None
        if plan.kind != NULL and self._is_copy(plan, box, before, after):
            return NEAR_COPY
        return None if self.judge is None else self._judge(plan, box, after)

    def _is_copy(
        self, plan: WindowPlan, box: Box, before: np.ndarray, after: np.ndarray
    ) -> bool:
        defect = crop(after, box)
        if plan.kind == REPLACES:
            source = thumbnail(crop(before, box))[None]
            return distance(thumbnail(defect), source) < MIN_VARIATION
        return self.seen.is_copy(defect, plan.label)

    def _judge(
        self, plan: WindowPlan, box: Box, after: np.ndarray
    ) -> str | None:
        assert self.judge is not None
        pixels = self.data.read(plan.image)
        host = pixels.copy()
        crop(host, plan.window)[:] = after
        if plan.kind != NULL:
            found = self.judge.finds(as_bgr(host), plan.box, plan.label)
            return None if found else NOT_DETECTED
        place = (plan.window[0] + box[0], plan.window[1] + box[1], *box[2:])
        new = self.judge.sees_any(
            as_bgr(host), place
        ) and not self.judge.sees_any(as_bgr(pixels), place)
        return DETECTED if new else None


def visible_change(
    before: np.ndarray, after: np.ndarray, alpha: np.ndarray
) -> float:
    """How much synthesis changed the background under the defect.

    The original window and the composite, uint8 (H, W, C), are blurred by 5
    pixels, so that new grain alone does not count as a change. Returns their
    mean absolute difference where alpha is 255, in gray levels.
    """
    blurred = [cv2.blur(p.astype(np.float32), (5, 5)) for p in (before, after)]
    difference = np.abs(blurred[0] - blurred[1])
    if difference.ndim == 3:
        difference = difference.mean(axis=2)
    return float(difference[alpha == 255].mean())


def seam(pixels: np.ndarray, alpha: np.ndarray) -> float:
    """Measures the step in tone between the fading rim and the background.

    At every pixel of the rim the mean tones of rim and background in its
    neighborhood are compared, of pixels uint8 (H, W, C); the mean difference
    is divided by the standard deviation of the background. 0 is returned
    where there is no rim or no background.
    """
    rim = (alpha > 0) & (alpha < 255)
    near = cv2.dilate(
        (alpha > 0).astype(np.uint8), np.ones((SEAM_SIDE, SEAM_SIDE))
    )
    background = (near > 0) & (alpha == 0)
    if not rim.any() or not background.any():
        return 0.0
    tone = pixels.astype(np.float32).mean(axis=2)
    rim_mean, rim_share = _local_mean(tone, rim)
    background_mean, background_share = _local_mean(tone, background)
    # The mean of a few pixels is too noisy.
    compared = rim & (np.minimum(rim_share, background_share) > 0.1)
    if not compared.any():
        return 0.0
    step = np.abs(rim_mean - background_mean)[compared].mean()
    # One gray level more, since pixels are rounded.
    return float(step / (tone[background].std() + 1))


def _local_mean(
    tone: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean tone of the masked pixels around each pixel, and their share."""
    weight = mask.astype(np.float32)
    share, total = (
        cv2.blur(part, (SEAM_SIDE, SEAM_SIDE), borderType=cv2.BORDER_CONSTANT)
        for part in (weight, tone * weight)
    )
    return total / np.maximum(share, 1e-6), share


class SeenDefects:
    """The defects of the training images, to recognize copies of them.

    A defect is a copy if its distance to one of its class is smaller than
    those between real defects of that class, except for one in a hundred.
    Real defects of one image are not compared: they may overlap.
    """

    def __init__(self, data: LabeledImages) -> None:
        self._seen: list[np.ndarray] = []
        self.limits: list[float] = []
        for found in data.by_class:
            vectors = np.array(
                [thumbnail(crop(data.read(i), d.box)) for i, d in found],
                np.float32,
            ).reshape(-1, THUMBNAIL**2)
            images = np.array([index for index, _ in found], int)
            nearest = nearest_of_others(vectors, images)
            known = nearest[np.isfinite(nearest)]
            self._seen.append(vectors)
            # Nothing is known of a class with defects on one image only.
            self.limits.append(
                float(np.quantile(known, COPY_QUANTILE)) if len(known) else 0.0
            )

    def is_copy(self, defect: np.ndarray, label: int) -> bool:
        """Whether a defect, uint8 (H, W, C), copies one of its class."""
        near = min(
            distance(turned, self._seen[label])
            for turned in mirrored(thumbnail(defect)[None])
        )
        return near < self.limits[label]


def nearest_of_others(vectors: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Distance of each defect to the nearest on another image, or mirrored.

    Args:
        vectors (np.ndarray): Thumbnails, float32 (N, THUMBNAIL**2).
        images (np.ndarray): int (N, ), number of the image of each.

    Returns:
        np.ndarray: float32 (N, ), see :func:`distance`; infinite where all
        are on one image.
    """
    nearest = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        # One of a pair is mirrored, no matter which: a few rows, not all.
        products = mirrored(vectors[rows]) @ vectors.T  # (4 * rows, N)
        highest = products.reshape(4, -1, len(vectors)).max(0)
        highest[images[rows, None] == images] = -np.inf
        nearest[rows] = 1 - highest.max(1)
    return nearest


def thumbnail(defect: np.ndarray) -> np.ndarray:
    """Feature vector of a defect, uint8 (H, W, C), without its contrast.

    Returns:
        np.ndarray: float32 (THUMBNAIL**2, ), mean 0 and length 1; zeros if
        the box has a uniform tone.
    """
    gray = defect.astype(np.float32).mean(axis=2)
    small = cv2.resize(
        gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA
    )
    vector = (small - small.mean()).ravel()
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-3 else vector * 0


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """Thumbnails (N, THUMBNAIL**2) and their 3 mirror images, (4N, ...).

    The generator is trained on mirrored windows, so that a copy may be
    mirrored too.
    """
    square = vectors.reshape(-1, THUMBNAIL, THUMBNAIL)
    both = np.concatenate([square, square[:, ::-1]])
    return np.concatenate([both, both[:, :, ::-1]]).reshape(-1, THUMBNAIL**2)


def distance(vector: np.ndarray, others: np.ndarray) -> float:
    """Distance of a thumbnail to the nearest of others, (N, THUMBNAIL**2).

    It is 1 minus the highest correlation, in [0, 2]; infinite if N is 0.
    """
    return float(1 - (others @ vector).max()) if len(others) else np.inf
