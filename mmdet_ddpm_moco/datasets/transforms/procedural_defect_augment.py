"""Puts cheap painted defects into a detection pipeline."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type

from ...bank.compositing import (
    Box,
    alpha_box,
    composite,
    crop,
    intersect,
    soft_alpha,
)
from ...utils.errors import InputError
from ..window_geometry import FEATHER, find_free_box, grow

# A box this much longer than wide holds a line.
LINE = 3.0
# Ground around a defect that it is compared with, in pixels.
RING = 8


def procedural_shape(
    size: tuple[int, int], rng: np.random.RandomState
) -> np.ndarray:
    """Draws the shape of a defect.

    Args:
        size (tuple[int, int]): ``(width, height)`` of its box in pixels.
        rng (np.random.RandomState): Source of randomness.

    Returns:
        np.ndarray: bool (height, width); some pixel is true.
    """
    w, h = size
    if max(w, h) >= LINE * min(w, h):
        shape = _line(max(w, h), min(w, h), rng)
        shape = shape if w >= h else shape.T
    else:
        shape = _blob(w, h, rng)
    return shape


def _line(length: int, width: int, rng: np.random.RandomState) -> np.ndarray:
    shape = np.zeros((width, length), np.uint8)
    thick = rng.randint(1, max(2, width // 3) + 1)
    xs = np.linspace(0, length - 1, 5)
    ys = np.clip(
        np.linspace(*rng.uniform(0, width, 2), 5) + rng.normal(0, 1, 5),
        0,
        width - 1,
    )
    points = np.stack([xs, ys], 1).round().astype(np.int32)
    cv2.polylines(shape, [points[:, None]], False, 1, thick)
    return shape.astype(bool)


def _blob(w: int, h: int, rng: np.random.RandomState) -> np.ndarray:
    noise = rng.normal(size=(h, w))
    cloud = cv2.GaussianBlur(noise, (0, 0), max(1.0, min(w, h) / 6))
    cloud /= cloud.std() or 1.0
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    height = cloud / 2 + 1 - 1.5 * (x**2 + y**2)
    shape = height > 0
    shape[np.unravel_index(height.argmax(), shape.shape)] = True
    return shape


def contrast(image: np.ndarray, box: Box) -> tuple[float, float]:
    """How a defect differs from the ground around it.

    Of the two groups into which Otsu's threshold parts the pixels of the
    box, the defect is the one further from the ground.

    Args:
        image (np.ndarray): uint8 (H, W, C).
        box (tuple): ``(x, y, w, h)`` of the defect, inside the image.

    Returns:
        tuple[float, float]: Difference of the mean levels, and by how much
        the defect is grainier (a standard deviation, >= 0), in gray levels.
        Both are 0 where the box fills the image.
    """
    around = grow(box, RING, image.shape[1::-1])
    ring = np.ones(around[3:1:-1], bool)
    crop(ring, (box[0] - around[0], box[1] - around[1], *box[2:]))[:] = False
    if not ring.any():
        return 0.0, 0.0
    gray = crop(image, around).mean(2).round().astype(np.uint8)
    grain = gray - cv2.GaussianBlur(gray.astype(np.float64), (0, 0), 1.0)
    level, _ = cv2.threshold(gray[~ring], 0, 255, cv2.THRESH_OTSU)
    ground = gray[ring].mean()
    groups = [
        part
        for part in (~ring & (gray <= level), ~ring & (gray > level))
        if part.any()
    ]
    defect = max(groups, key=lambda part: abs(gray[part].mean() - ground))
    more = grain[defect].var() - grain[ring].var()
    return float(gray[defect].mean() - ground), float(max(more, 0.0) ** 0.5)


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
        offset (float): Added to the ground, in gray levels.
        spread (float): Standard deviation of its grain in gray levels.
        rng (np.random.RandomState): Source of randomness.
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
    """Paints defects on free ground, after those that the image has.

    Nothing is learned: it is what synthesized defects have to beat. Each
    follows a labeled defect of the same image: its class, its size within a
    third, its shape (a line where that is long and thin), its contrast.
    Where no ground is free, none is painted.

    Place it after ``LoadAnnotations``. Randomness comes from numpy's global
    generator.

    Required Keys:

    - img (np.uint8, (H, W, C))
    - gt_bboxes (HorizontalBoxes[torch.float32] or np.float32, (N, 4))
    - gt_bboxes_labels (np.int64, (N, ))
    - gt_ignore_flags (bool, (N, ))

    Modified Keys:

    - img, gt_bboxes, gt_bboxes_labels, gt_ignore_flags

    Args:
        prob (float): Probability that an image is changed at all, in [0, 1].
            Defaults to 0.5.
        max_defects (int): Most defects painted into one image, at least 1;
            how many is drawn uniformly from 1 on. Defaults to 4.

    Raises:
        ValueError: An argument is out of range, or the sample has masks.
    """

    def __init__(self, prob: float = 0.5, max_defects: int = 4) -> None:
        if not 0 <= prob <= 1:
            msg = f'prob must be in [0, 1], got {prob}'
            raise InputError(msg)
        if max_defects < 1:
            msg = f'max_defects must be at least 1, got {max_defects}'
            raise InputError(msg)
        self.prob = prob
        self.max_defects = max_defects

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Paints into one sample.

        Args:
            results (dict): With the keys required above.

        Returns:
            dict: The same dict.
        """
        if 'gt_masks' in results:
            msg = 'ProceduralDefectAugment paints boxes, not instance masks'
            raise InputError(msg)
        labels = results['gt_bboxes_labels']
        if np.random.rand() >= self.prob or len(labels) == 0:
            return results
        rng = np.random.RandomState(np.random.randint(2**31))
        before = results['img']
        image = before.copy()
        size = image.shape[1::-1]
        boxes = [_whole(b, size) for b in results['gt_bboxes'].numpy()]
        sources = [
            i
            for i, (x, y, w, h) in enumerate(boxes)
            if w and h and not results['gt_ignore_flags'][i]
        ]
        taken, new = list(boxes), []
        wanted = rng.randint(1, self.max_defects + 1) if sources else 0
        for source in rng.choice(sources, wanted) if wanted else ():
            box = self._paint(image, before, boxes[source], taken, rng)
            if box is not None:
                taken.append(box)
                new.append((box, labels[source]))
        if new:
            _add(results, image, new)
        return results

    def _paint(
        self,
        image: np.ndarray,
        before: np.ndarray,
        source: Box,
        taken: list[Box],
        rng: np.random.RandomState,
    ) -> Box | None:
        """Paints one defect like ``source``; None where there is no place."""
        w, h = (
            max(4, round(side * rng.uniform(2 / 3, 4 / 3)))
            for side in source[2:]
        )
        place = find_free_box((w, h), image.shape[1::-1], taken, rng)
        if place is None:
            return None
        x, y = place[:2]
        region = np.zeros(image.shape[:2], bool)
        region[y : y + h, x : x + w] = procedural_shape((w, h), rng)
        offset, spread = contrast(before, source)
        gain = rng.uniform(0.7, 1.3)
        paint_defect(image, region, gain * offset, spread, rng)
        return alpha_box(region * np.uint8(255))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, '
            f'max_defects={self.max_defects})'
        )


def _whole(box: np.ndarray, size: tuple[int, int]) -> Box:
    """``(x, y, w, h)`` in whole pixels, rounded outwards and clipped."""
    x0, y0 = (int(v) for v in np.floor(box[:2]))
    x1, y1 = (int(v) for v in np.ceil(box[2:]))
    return intersect((x0, y0, x1 - x0, y1 - y0), (0, 0, *size))


def _add(results: dict, image: np.ndarray, new: list[tuple]) -> None:
    old = results['gt_bboxes'].numpy()
    added = [[x, y, x + w, y + h] for (x, y, w, h), _ in new]
    labels = results['gt_bboxes_labels']
    results['img'] = image
    results['gt_bboxes'] = HorizontalBoxes(
        np.vstack([old, np.array(added, old.dtype)])
    )
    results['gt_bboxes_labels'] = np.append(
        labels, np.array([label for _, label in new], labels.dtype)
    )
    results['gt_ignore_flags'] = np.append(
        results['gt_ignore_flags'], np.zeros(len(new), bool)
    )
