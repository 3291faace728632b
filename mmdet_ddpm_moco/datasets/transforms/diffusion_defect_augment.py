"""Synthesized defects and scenes of a teacher in a detection pipeline."""

import sys
import warnings
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from ...bank.compositing import Box, crop, overlaps
from ...bank.format import ADD, NULL, REPLACES, BankWindow
from ...bank.reader import DefectBank
from ...utils.checks import check_arguments
from ...utils.errors import InputError
from .annotations import append_boxes, labels_in
from .masks import SampleMasks
from .scene_swap import SceneSwap


@TRANSFORMS.register_module()
class DiffusionDefectAugment(BaseTransform):
    """Pastes windows of a defect bank; swaps samples for scenes.

    A window is pasted into the image that it was synthesized on, so there is
    no seam. An ``add`` window adds a box, a ``replaces`` window replaces a
    labeled defect and keeps its box, a ``null`` window adds no box: it has
    the artifacts of synthesis without a defect, so that a detector does not
    learn to detect those.

    A scene is a whole image that teachers labeled, see ``bank/scenes.py``:
    with probability ``scene_prob`` it takes the place of the sample, each of
    its boxes with the probability that it is right.

    Place it after ``LoadAnnotations`` and before anything that moves pixels.
    Randomness comes from numpy's global generator.

    **Required Keys:**

    - img (np.uint8, (H, W, 3))
    - img_path (str)
    - gt_bboxes (HorizontalBoxes[torch.float32] or np.float32, (N, 4))
    - gt_bboxes_labels (np.int64, (N, ))
    - gt_ignore_flags (bool, (N, ))
    - gt_masks (BitmapMasks | PolygonMasks, optional)

    **Modified Keys:**

    - img, gt_bboxes, gt_bboxes_labels, gt_ignore_flags, gt_masks, with their
      types
    - img_path, img_shape, ori_shape, height, width (of a scene)

    Args:
        bank (str | None): Folder of a finished defect bank. Defaults to
            None, no windows are pasted.
        prob (float): Probability that windows are pasted into an image, in
            [0, 1]. Defaults to 0.5.
        max_windows (int): Most windows pasted into one image, at least 1;
            the number is drawn uniformly from 1 on. Defaults to 4.
        classes (Sequence[str] | None): Class names of the dataset in the
            order of its labels. Defaults to None, those of the bank.
        scenes (str | None): Folder of scenes. Defaults to None, no sample is
            swapped.
        scene_prob (float): Probability that a sample is swapped, in [0, 1].
            Defaults to 0.5.

    Raises:
        FileNotFoundError: There is no finished bank, or there are no scenes.
        ValueError: Neither is given, an argument is out of range, or bank or
            scenes have a class that ``classes`` lacks.

    Examples:
        >>> augment = DiffusionDefectAugment(
        ...     'work_dirs/bank', prob=0.8, classes=('dent', 'scratch')
        ... )
    """

    def __init__(
        self,
        bank: str | None = None,
        prob: float = 0.5,
        max_windows: int = 4,
        classes: Sequence[str] | None = None,
        scenes: str | None = None,
        scene_prob: float = 0.5,
    ) -> None:
        if bank is None and scenes is None:
            msg = f'{type(self).__name__} needs a bank, scenes or both'
            raise InputError(msg)
        check_arguments(
            locals(),
            prob=(0 <= prob <= 1, 'in [0, 1]'),
            max_windows=(max_windows >= 1, 'at least 1'),
        )
        self.prob = prob
        self.max_windows = max_windows
        self.bank = None if bank is None else DefectBank(bank)
        if self.bank is not None:
            self._labels = labels_in(
                classes, self.bank.classes, f'the defect bank {bank}'
            )
        self.scene_swap = (
            None if scenes is None else SceneSwap(scenes, scene_prob, classes)
        )

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Swaps one sample, or pastes windows into it, in place.

        Raises:
            ValueError: The bank's window does not belong to the image, or a
                scene cannot be read or has no masks for a sample with masks.
        """
        if self.scene_swap is not None and self.scene_swap(results):
            return results
        if self.bank is None or np.random.rand() >= self.prob:
            return results
        windows = self.bank.windows_of(results['img_path'])
        if not windows:
            return results
        wanted = np.random.randint(1, self.max_windows + 1)
        sample = _Sample(results)
        occupied: list[Box] = []
        for index in np.random.permutation(len(windows)):
            window = windows[index]
            if any(overlaps(window.window, box) for box in occupied):
                continue
            label = self._labels[window.label] if window.kind != NULL else -1
            if sample.paste(self.bank, window, label):
                occupied.append(window.window)
                if len(occupied) == wanted:
                    break
        sample.write_back()
        return results

    def __repr__(self) -> str:
        parts = []
        if self.bank is not None:
            parts.append(
                f'bank={str(self.bank.root)!r}, prob={self.prob}, '
                f'max_windows={self.max_windows}'
            )
        if self.scene_swap is not None:
            parts.append(
                f'scenes={str(self.scene_swap.scenes.root)!r}, '
                f'scene_prob={float(self.scene_swap.prob):g}'
            )
        return f'{type(self).__name__}({", ".join(parts)})'


class _Sample:
    """A sample into which windows are pasted."""

    def __init__(self, results: dict) -> None:
        self.results = results
        moved = results.get('homography_matrix')
        self.moved = moved is not None and not np.allclose(moved, np.eye(3))
        self.image = own_image(results)
        self.added: list[tuple[Box, int]] = []
        masks = results.get('gt_masks')
        self.masks = None if masks is None else SampleMasks(masks)

    def paste(self, bank: DefectBank, window: BankWindow, label: int) -> bool:
        """Pastes a window; False if the defect that it replaces is missing."""
        replaced = None
        if window.kind == REPLACES:
            replaced = self._find(window.box, label)
            if replaced is None:
                return False
        name = self.results['img_path']
        if self.moved:
            msg = (
                f'an earlier transform has moved the pixels of {name}: put '
                'DiffusionDefectAugment right after LoadAnnotations'
            )
            raise InputError(msg)
        alpha = bank.paste(window, self.image, name)
        if window.kind == ADD:
            self.added.append((window.box, label))
        if self.masks is not None and window.kind != NULL:
            region = np.zeros(self.image.shape[:2], bool)
            crop(region, window.window)[:] = alpha == 255
            if replaced is None:
                self.masks.append(region)
            else:
                # Outside of it the replaced defect is still visible.
                self.masks.extend(replaced, region)
        return True

    def _find(self, box: Box, label: int) -> int | None:
        """Index of the annotation with a box and label of the bank."""
        x, y, w, h = box
        # The bank rounds boxes outwards to whole pixels and clips them.
        height, width = self.image.shape[:2]
        boxes = self.results['gt_bboxes'].numpy()
        boxes = boxes.clip(0, (width, height, width, height))
        near = np.abs(boxes - (x, y, x + w, y + h)).max(1) <= 1
        same_label = self.results['gt_bboxes_labels'] == label
        found = np.flatnonzero(near & same_label)
        if len(found):
            return int(found[0])
        # Python shows a warning of one text from one place only once.
        warnings.warn(
            'the defect bank has windows that replace annotations which this '
            'dataset lacks or has elsewhere; they are skipped. Was the bank '
            'made from other annotations?',
            stacklevel=2,
        )
        return None

    def write_back(self) -> None:
        """Updates the results."""
        self.results['img'] = self.image
        append_boxes(self.results, self.added)
        if self.masks is not None:
            self.results['gt_masks'] = self.masks.result()


def own_image(results: dict) -> np.ndarray:
    """An image to paint into: the sample's own if nothing else holds it.

    Copying a large image takes longer than pasting windows. But a data set
    or an earlier transform may keep what it gave.

    Args:
        results (dict): With ``img``.

    Returns:
        np.ndarray: ``results['img']``, or a copy of it.
    """
    image = results['img']
    # A view's pixels may be reached through what it is a view of.
    alone = image.base is None and image.flags.writeable
    del image
    if alone and _references(results) == _ALONE:
        return results['img']
    return results['img'].copy()


def _references(results: dict) -> int:
    return sys.getrefcount(results['img'])


# Of an image that nothing but the sample holds.
_ALONE = _references(dict(img=np.empty(0)))
