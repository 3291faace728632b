"""Replaces a sample by another image with other labels, at random.

In a transform, this needs no change of data set, sampler or schedule.
"""

from collections.abc import Sequence

import cv2
import mmcv
import numpy as np
import torch
from mmdet.structures.bbox import HorizontalBoxes

from ...bank.compositing import composite, soft_alpha
from ...bank.scenes import Scene, Scenes
from ...utils.checks import check_arguments
from ...utils.errors import InputError
from .annotations import labels_in

# Width in pixels over which a painted region fades into the image.
FEATHER = 4


class SceneSwap:
    """Swaps a sample for a scene with some probability.

    Args:
        scenes (str): Folder of scenes.
        prob (float): Probability, in [0, 1]. Kept in shared memory, so that
            workers that run already see a change of :attr:`prob`.
        classes (Sequence[str] | None): Class names of the data set in the
            order of its labels; None takes those of the scenes.
        paint_ignored (bool): Paint regions to ignore over with background of
            the same image, for detectors that cannot ignore. Defaults to
            False, they are handed on as ignored boxes.

    Attributes:
        prob (torch.Tensor): float32 scalar in shared memory.

    Raises:
        FileNotFoundError: There are no scenes.
        ValueError: ``prob`` is out of range, no scene has a label to teach,
            or the scenes have classes that ``classes`` lacks.
    """

    def __init__(
        self,
        scenes: str,
        prob: float,
        classes: Sequence[str] | None = None,
        paint_ignored: bool = False,
    ) -> None:
        check_arguments(
            dict(scene_prob=prob), scene_prob=(0 <= prob <= 1, 'in [0, 1]')
        )
        self.scenes = Scenes(scenes)
        self.usable = self.scenes.usable()
        if not len(self.usable):
            msg = (
                f'none of the {len(self.scenes)} scenes of {scenes} has a '
                'label; ask for a lower precision when they are made'
            )
            raise InputError(msg)
        self._labels = np.array(
            labels_in(classes, self.scenes.classes, f'the scenes {scenes}'),
            np.int64,
        )
        self.prob = torch.tensor(float(prob)).share_memory_()
        self.paint_ignored = paint_ignored

    def __call__(self, results: dict) -> bool:
        """Swaps a sample, or not.

        Args:
            results (dict): As after ``LoadAnnotations``; changed in place.

        Returns:
            bool: Whether it was swapped.

        Raises:
            ValueError: The sample has masks, or the scene's image cannot be
                read.
        """
        if np.random.rand() >= float(self.prob):
            return False
        if 'gt_masks' in results:
            msg = (
                'scenes hold boxes and no masks: use them with detectors of '
                'boxes, or set scene_prob=0'
            )
            raise InputError(msg)
        chosen = int(self.usable[np.random.randint(len(self.usable))])
        scene = self.scenes[chosen]
        image = _read(scene, results['img'])
        ignore = scene.ignore.copy()
        boxes, labels = scene.boxes, self._labels[scene.labels]
        if self.paint_ignored and ignore.any():
            image = paint_over(image, boxes[ignore], boxes[~ignore])
            boxes, labels = boxes[~ignore], labels[~ignore]
            ignore = ignore[~ignore]
        results.update(
            img=image,
            img_path=str(scene.path),
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
            height=image.shape[0],
            width=image.shape[1],
            gt_bboxes=HorizontalBoxes(boxes.copy(), dtype=torch.float32),
            gt_bboxes_labels=labels.copy(),
            gt_ignore_flags=ignore,
        )
        return True


def _read(scene: Scene, like: np.ndarray) -> np.ndarray:
    flag = 'color' if like.ndim == 3 and like.shape[2] == 3 else 'grayscale'
    image = (
        mmcv.imread(scene.path, flag=flag) if scene.path.is_file() else None
    )
    if image is None:
        msg = (
            f'the image {scene.path} of a scene is missing or damaged; make '
            'the scenes again'
        )
        raise InputError(msg)
    if image.ndim < like.ndim:
        image = image[..., None]
    return image.astype(like.dtype, copy=False)


def paint_over(
    image: np.ndarray, regions: np.ndarray, taken: np.ndarray
) -> np.ndarray:
    """Paints regions over with other places of the same image.

    The place that overlaps least with any box is taken; where there is none
    without, the region is filled from its rim (Telea, 2004, OpenCV).

    Args:
        image (np.ndarray): uint8 (H, W, C).
        regions (np.ndarray): (N, 4), x0, y0, x1, y1 in pixels.
        taken (np.ndarray): (M, 4), boxes that must neither be painted over
            nor copied.

    Returns:
        np.ndarray: Same shape; pixels inside ``taken`` are as they were.
    """
    height, width = image.shape[:2]
    before = image
    image = image.copy()
    occupied = np.zeros((height, width), np.uint8)
    whole = [_whole(box, height, width) for box in (*taken, *regions)]
    for x0, y0, x1, y1 in whole:
        occupied[y0:y1, x0:x1] = 1
    sums = cv2.integral(occupied)
    for x0, y0, x1, y1 in whole[len(taken) :]:
        h, w = y1 - y0, x1 - x0
        if not h or not w:
            continue
        cost = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
        y, x = np.unravel_index(int(cost.argmin()), cost.shape)
        mask = np.zeros((height, width), bool)
        mask[y0:y1, x0:x1] = True
        if cost[y, x] == 0:
            source = image.copy()
            source[y0:y1, x0:x1] = before[y : y + h, x : x + w]
            alpha = soft_alpha(_inner(mask), FEATHER)
            alpha[~mask] = 0
            image = composite(image, source, alpha)
        else:
            image = cv2.inpaint(
                image, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA
            ).reshape(image.shape)
    for x0, y0, x1, y1 in whole[: len(taken)]:
        image[y0:y1, x0:x1] = before[y0:y1, x0:x1]
    return image


def _whole(
    box: np.ndarray, height: int, width: int
) -> tuple[int, int, int, int]:
    """The pixels that a box touches."""
    x0, y0 = (int(v) for v in np.floor(np.maximum(box[:2], 0)))
    x1, y1 = (int(v) for v in np.ceil(np.minimum(box[2:], (width, height))))
    return x0, y0, max(x1, x0), max(y1, y0)


def _inner(mask: np.ndarray) -> np.ndarray:
    """The mask without the rim that fades."""
    kernel = np.ones((2 * FEATHER + 1,) * 2, np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel).astype(bool)
    return inner if inner.any() else mask
