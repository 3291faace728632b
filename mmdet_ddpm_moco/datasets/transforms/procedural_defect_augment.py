"""Paints procedural defects in a detection pipeline."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from ...bank.compositing import Box, alpha_box, composite, crop, soft_alpha
from ...utils.checks import check_arguments
from ...utils.errors import InputError
from ..window_geometry import FEATHER, find_free_box, grow, outer_box
from .annotations import append_boxes

# Aspect ratio from which on a box contains a line.
LINE = 3.0
# Width in pixels of the background that a defect is compared with.
RING = 8


def procedural_shape(
    size: tuple[int, int], rng: np.random.RandomState
) -> np.ndarray:
    """Draws the shape of a defect in a box of ``(width, height)`` pixels.

    Returns:
        np.ndarray: bool (height, width); some pixel is true.
    """
    w, h = size
    if max(w, h) < LINE * min(w, h):
        return _blob(w, h, rng)
    shape = _line(max(w, h), min(w, h), rng)
    return shape if w >= h else shape.T


def _line(length: int, width: int, rng: np.random.RandomState) -> np.ndarray:
    shape = np.zeros((width, length), np.uint8)
    thick = rng.randint(1, max(2, width // 3) + 1)
    xs = np.linspace(0, length - 1, 5)
    first, last = rng.uniform(0, width, 2)
    ys = np.linspace(first, last, 5) + rng.normal(0, 1, 5)
    points = np.stack([xs, ys.clip(0, width - 1)], 1).round().astype(np.int32)
    cv2.polylines(shape, [points[:, None]], False, 1, thick)
    return shape.astype(bool)


def _blob(w: int, h: int, rng: np.random.RandomState) -> np.ndarray:
    noise = rng.normal(size=(h, w))
    cloud = cv2.GaussianBlur(noise, (0, 0), max(1.0, min(w, h) / 6))
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    height = cloud / (2 * (cloud.std() or 1.0)) + 1 - 1.5 * (x**2 + y**2)
    shape = height > 0
    shape[np.unravel_index(height.argmax(), shape.shape)] = True
    return shape


def contrast(image: np.ndarray, box: Box) -> tuple[float, float]:
    """How a defect differs from the background around it.

    Otsu's threshold separates the pixels of the box into two groups; the
    defect is the one whose mean differs more from the background.

    Args:
        image (np.ndarray): uint8 (H, W, C).
        box (tuple): ``(x, y, w, h)`` of the defect, inside the image.

    Returns:
        tuple[float, float]: Difference of the mean levels, and standard
        deviation, >= 0, of the grain that the defect has in excess, in gray
        levels. Both are 0 if the box fills the image.
    """
    around = grow(box, RING, image.shape[1::-1])
    ring = np.ones(around[3:1:-1], bool)
    crop(ring, (box[0] - around[0], box[1] - around[1], *box[2:]))[:] = False
    if not ring.any():
        return 0.0, 0.0
    gray = crop(image, around).mean(2).round().astype(np.uint8)
    grain = gray - cv2.GaussianBlur(gray.astype(np.float64), (0, 0), 1.0)
    level, _ = cv2.threshold(gray[~ring], 0, 255, cv2.THRESH_OTSU)
    background = gray[ring].mean()
    groups = [
        part
        for part in (~ring & (gray <= level), ~ring & (gray > level))
        if part.any()
    ]
    defect = max(groups, key=lambda part: abs(gray[part].mean() - background))
    more = grain[defect].var() - grain[ring].var()
    offset = gray[defect].mean() - background
    return float(offset), float(max(more, 0.0) ** 0.5)


def paint_defect(
    image: np.ndarray,
    region: np.ndarray,
    offset: float,
    spread: float,
    rng: np.random.RandomState,
) -> None:
    """Paints a defect with a soft rim.

    Args:
        image (np.ndarray): uint8 (H, W, C), changed in place.
        region (np.ndarray): bool (H, W), the defect's pixels.
        offset (float): Added to the background, in gray levels.
        spread (float): Standard deviation of added grain, in gray levels.
        rng (np.random.RandomState): To draw the grain from.
    """
    x, y, w, h = cv2.boundingRect(region.astype(np.uint8))
    window = grow((x, y, w, h), FEATHER + 1, image.shape[1::-1])
    part = crop(image, window)
    grain = cv2.GaussianBlur(rng.normal(size=part.shape[:2]), (0, 0), 1.0)
    grain *= spread / (grain.std() or 1.0)
    painted = np.clip(part + offset + grain[..., None], 0, 255)
    alpha = soft_alpha(crop(region, window), FEATHER)
    part[:] = composite(part, painted.round().astype(np.uint8), alpha)


@TRANSFORMS.register_module()
class ProceduralDefectAugment(BaseTransform):
    """Paints defects in defect-free areas, modeled on those of the image.

    A baseline without learning for synthesized defects. Each has the class
    of a labeled defect of the same image, its contrast, its size within a
    third, and its shape (a line if that is long and thin). Without a
    defect-free area, none is painted.

    Place it after ``LoadAnnotations``. Randomness comes from numpy's global
    generator.

    **Required Keys:**

    - img (np.uint8, (H, W, C))
    - gt_bboxes (HorizontalBoxes[torch.float32] or np.float32, (N, 4))
    - gt_bboxes_labels (np.int64, (N, ))
    - gt_ignore_flags (bool, (N, ))

    **Modified Keys:**

    - img, gt_bboxes, gt_bboxes_labels, gt_ignore_flags

    Args:
        prob (float): Probability that an image is changed at all, in [0, 1].
            Defaults to 0.5.
        max_defects (int): Most defects painted into one image, at least 1;
            the number is drawn uniformly from 1 on. Defaults to 4.

    Raises:
        ValueError: An argument is out of range, or the sample has masks or
            a semantic map.
    """

    def __init__(self, prob: float = 0.5, max_defects: int = 4) -> None:
        check_arguments(
            locals(),
            prob=(0 <= prob <= 1, 'in [0, 1]'),
            max_defects=(max_defects >= 1, 'at least 1'),
        )
        self.prob = prob
        self.max_defects = max_defects

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Paints into one sample, in place."""
        if 'gt_masks' in results or 'gt_seg_map' in results:
            msg = 'ProceduralDefectAugment paints boxes, not masks'
            raise InputError(msg)
        labels = results['gt_bboxes_labels']
        if np.random.rand() >= self.prob or len(labels) == 0:
            return results
        rng = np.random.RandomState(np.random.randint(2**31))
        before = results['img']
        image = before.copy()
        size = image.shape[1::-1]
        boxes = [outer_box(b, size) for b in results['gt_bboxes'].numpy()]
        sources = [
            i
            for i, (x, y, w, h) in enumerate(boxes)
            if w and h and not results['gt_ignore_flags'][i]
        ]
        added: list[tuple[Box, int]] = []
        wanted = rng.randint(1, self.max_defects + 1) if sources else 0
        for source in rng.choice(sources, wanted) if wanted else ():
            occupied = [*boxes, *(box for box, _ in added)]
            box = self._paint(image, before, boxes[source], occupied, rng)
            if box is not None:
                added.append((box, labels[source]))
        if added:
            results['img'] = image
        append_boxes(results, added)
        return results

    def _paint(
        self,
        image: np.ndarray,
        before: np.ndarray,
        source: Box,
        occupied: list[Box],
        rng: np.random.RandomState,
    ) -> Box | None:
        """Paints one defect like ``source``; None if there is no room."""
        w, h = (
            max(4, round(side * rng.uniform(2 / 3, 4 / 3)))
            for side in source[2:]
        )
        free = find_free_box((w, h), image.shape[1::-1], occupied, rng)
        if free is None:
            return None
        region = np.zeros(image.shape[:2], bool)
        crop(region, free)[:] = procedural_shape((w, h), rng)
        offset, spread = contrast(before, source)
        gain = rng.uniform(0.7, 1.3)
        paint_defect(image, region, gain * offset, spread, rng)
        return alpha_box(region * np.uint8(255))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, '
            f'max_defects={self.max_defects})'
        )
