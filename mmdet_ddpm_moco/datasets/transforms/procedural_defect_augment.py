"""Puts cheap painted defects into a detection pipeline."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type

from ..compositing import Box, alpha_box, intersect
from ..defect_geometry import free_place
from ..procedural_defect import contrast, paint_defect, procedural_shape


@TRANSFORMS.register_module()
class ProceduralDefectAugment(BaseTransform):
    """Paints defects on free ground, after those that the image has.

    Nothing is learnt: it is what synthesised defects have to beat. Each
    follows a labelled defect of the same image: its class, its size within a
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
            raise ValueError(msg)
        if max_defects < 1:
            msg = f'max_defects must be at least 1, got {max_defects}'
            raise ValueError(msg)
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
            raise ValueError(msg)
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
        place = free_place((w, h), image.shape[1::-1], taken, rng)
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
