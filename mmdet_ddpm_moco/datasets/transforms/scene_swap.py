"""Replaces a sample by another image with other labels, at random.

In a transform, this needs no change of data set, sampler or schedule.

Labels of teachers are uncertain. Each box is there as often as it is right,
else it is background: over the training, a classification loss sees on average
these probabilities as soft labels. So the detector learns how sure teachers
are, with any head and without a threshold.
"""

from collections.abc import Sequence

import mmcv
import numpy as np
import torch

from ...bank.scenes import Scene, Scenes
from ...utils.checks import check_arguments
from ...utils.errors import InputError
from .annotations import NOT_USED, boxes_like, ignored_label, labels_in


class SceneSwap:
    """Swaps a sample for a scene with some probability.

    Args:
        scenes (str): Folder of scenes.
        prob (float): Probability, in [0, 1]. Kept in shared memory, so that
            workers that run already see a change of :attr:`prob`.
        classes (Sequence[str] | None): Class names of the data set in the
            order of its labels; boxes of other classes are left out. None
            takes those of the scenes.

    Attributes:
        prob (torch.Tensor): float32 scalar in shared memory.

    Raises:
        FileNotFoundError: There are no scenes.
        ValueError: ``prob`` is out of range, no scene has a label to teach,
            or the scenes have no class of ``classes``.
    """

    def __init__(
        self,
        scenes: str,
        prob: float,
        classes: Sequence[str] | None = None,
    ) -> None:
        check_arguments(
            dict(scene_prob=prob), scene_prob=(0 <= prob <= 1, 'in [0, 1]')
        )
        self.scenes = Scenes(scenes)
        self._labels = np.array(
            labels_in(classes, self.scenes.classes, f'the scenes {scenes}'),
            np.int64,
        )
        self.usable = self.scenes.usable(
            np.flatnonzero(self._labels != NOT_USED).tolist()
        )
        if not len(self.usable):
            msg = (
                f'none of the {len(self.scenes)} scenes of {scenes} has a '
                'likely defect; see the report of the teachers beside them'
            )
            raise InputError(msg)
        self.prob = torch.tensor(float(prob)).share_memory_()

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
        drawn = np.random.rand(len(scene.boxes)) < scene.probabilities
        drawn &= self._labels[scene.labels] != NOT_USED
        results.update(
            img=image,
            img_path=str(scene.path),
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
            height=image.shape[0],
            width=image.shape[1],
            gt_bboxes=boxes_like(results['gt_bboxes'], scene.boxes[drawn]),
            gt_bboxes_labels=self._labels[scene.labels[drawn]].astype(
                results['gt_bboxes_labels'].dtype, copy=False
            ),
            gt_ignore_flags=np.zeros(
                int(drawn.sum()), results['gt_ignore_flags'].dtype
            ),
        )
        if 'gt_seg_map' in results:
            # Teachers tell boxes only.
            results['gt_seg_map'] = np.full(
                image.shape[:2],
                ignored_label(results),
                results['gt_seg_map'].dtype,
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
