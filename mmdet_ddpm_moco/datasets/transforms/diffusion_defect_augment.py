"""Puts synthesized defects into a detection pipeline."""

import warnings
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type
from mmdet.structures.mask import BitmapMasks

from ...bank.compositing import Box, crop, overlaps
from ...bank.format import ADD, NULL, REPLACES, BankWindow
from ...bank.reader import DefectBank
from ...utils.errors import InputError


@TRANSFORMS.register_module()
class DiffusionDefectAugment(BaseTransform):
    """Puts windows of a defect bank back where they were synthesized.

    A window lies on the very image it was made on, so there is no seam. An
    ``add`` window brings a new box, a ``replaces`` window takes the place of
    a labeled defect and keeps its box, a ``null`` window brings nothing but
    the traces of synthesis, so that those do not come to mean *defect*.

    Place it after ``LoadAnnotations`` and before anything that moves pixels.
    Randomness comes from numpy's global generator.

    Required Keys:

    - img (np.uint8, (H, W, 3))
    - img_path (str)
    - gt_bboxes (HorizontalBoxes[torch.float32] or np.float32, (N, 4))
    - gt_bboxes_labels (np.int64, (N, ))
    - gt_ignore_flags (bool, (N, ))
    - gt_masks (BitmapMasks | PolygonMasks, optional)

    Modified Keys:

    - img, gt_bboxes, gt_bboxes_labels, gt_ignore_flags, gt_masks (as
      BitmapMasks), each with the type it came with

    Args:
        bank (str): Folder of a finished defect bank.
        prob (float): Probability that an image is changed at all, in [0, 1].
            Defaults to 0.5.
        max_windows (int): Most windows put into one image, at least 1; how
            many is drawn uniformly from 1 on. Defaults to 4.
        classes (Sequence[str] | None): Class names of the dataset in the
            order of its labels; None takes the bank's own order. Defaults to
            None.

    Raises:
        FileNotFoundError: There is no finished bank.
        ValueError: An argument is out of range, or the bank holds a class
            that ``classes`` lacks.
    """

    def __init__(
        self,
        bank: str,
        prob: float = 0.5,
        max_windows: int = 4,
        classes: Sequence[str] | None = None,
    ) -> None:
        if not 0 <= prob <= 1:
            msg = f'prob must be in [0, 1], got {prob}'
            raise InputError(msg)
        if max_windows < 1:
            msg = f'max_windows must be at least 1, got {max_windows}'
            raise InputError(msg)
        self.bank = DefectBank(bank)
        self.prob = prob
        self.max_windows = max_windows
        classes = tuple(classes or self.bank.classes)
        foreign = sorted(set(self.bank.classes) - set(classes))
        if foreign:
            msg = (
                f'the defect bank {bank} holds {", ".join(foreign)}, the '
                f'dataset has {", ".join(classes)}; their class names '
                'must agree'
            )
            raise InputError(msg)
        self._labels = [classes.index(name) for name in self.bank.classes]

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Puts windows into one sample.

        Args:
            results (dict): With the keys required above.

        Returns:
            dict: The same dict.

        Raises:
            ValueError: The bank's window does not belong to the image.
        """
        if np.random.rand() >= self.prob:
            return results
        windows = self.bank.windows_of(results['img_path'])
        if not windows:
            return results
        wanted = np.random.randint(1, self.max_windows + 1)
        changed = _Sample(results)
        taken: list[Box] = []
        for index in np.random.permutation(len(windows)):
            window = windows[index]
            if any(overlaps(window.window, box) for box in taken):
                continue
            if changed.put(self.bank, window, self._labels):
                taken.append(window.window)
                if len(taken) == wanted:
                    break
        changed.write_back()
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(bank={str(self.bank.root)!r}, '
            f'prob={self.prob}, max_windows={self.max_windows})'
        )


class _Sample:
    """A sample's image and boxes while windows are put into it."""

    def __init__(self, results: dict) -> None:
        self.results = results
        moved = results.get('homography_matrix')
        self.moved = moved is not None and not np.allclose(moved, np.eye(3))
        self.image = results['img'].copy()
        self.boxes = results['gt_bboxes'].numpy().copy()
        self.labels = results['gt_bboxes_labels'].copy()
        self.ignore = results['gt_ignore_flags'].copy()
        masks = results.get('gt_masks')
        if masks is not None and not isinstance(masks, BitmapMasks):
            masks = masks.to_bitmap()
        self.masks = None if masks is None else masks.masks.copy()

    def put(
        self, bank: DefectBank, window: BankWindow, labels: Sequence[int]
    ) -> bool:
        """Puts one window in; False if the sample has no place for it."""
        slot = None
        if window.kind == REPLACES:
            slot = self._annotation(window, labels)
            if slot is None:
                return False
        name = self.results['img_path']
        if self.moved:
            msg = (
                f'an earlier transform has moved the pixels of {name}: put '
                'DiffusionDefectAugment right after LoadAnnotations'
            )
            raise InputError(msg)
        alpha = bank.paste(window, self.image, name)
        if window.kind != NULL:
            self._label(window, labels, slot, alpha == 255)
        return True

    def _annotation(
        self, window: BankWindow, labels: Sequence[int]
    ) -> int | None:
        """The annotation whose place a window takes."""
        x, y, w, h = window.box
        # The bank rounds boxes outwards to whole pixels and clips them.
        height, width = self.image.shape[:2]
        boxes = self.boxes.clip(0, (width, height, width, height))
        near = np.abs(boxes - (x, y, x + w, y + h)).max(1) <= 1
        found = np.flatnonzero(near & (self.labels == labels[window.label]))
        if len(found):
            return int(found[0])
        # Python shows a warning of one text from one place only once.
        warnings.warn(
            'the defect bank has windows that replace annotations which this '
            'dataset lacks or has elsewhere; they are left out. Was the bank '
            'made from other annotations?',
            stacklevel=2,
        )
        return None

    def _label(
        self,
        window: BankWindow,
        labels: Sequence[int],
        slot: int | None,
        defect: np.ndarray,
    ) -> None:
        x, y, w, h = window.box
        if window.kind == ADD:
            self.boxes = np.vstack(
                [
                    self.boxes,
                    np.array([[x, y, x + w, y + h]], self.boxes.dtype),
                ]
            )
            self.labels = np.append(
                self.labels, np.array(labels[window.label], self.labels.dtype)
            )
            self.ignore = np.append(self.ignore, False)
        if self.masks is None:
            return
        mask = np.zeros(self.image.shape[:2], self.masks.dtype)
        crop(mask, window.window)[:] = defect
        if window.kind == ADD:
            self.masks = np.concatenate([self.masks, mask[None]])
        else:
            # Around it the old defect still shows.
            self.masks[slot] |= mask

    def write_back(self) -> None:
        """Hands everything over to the results dict."""
        results = self.results
        results['img'] = self.image
        if len(self.boxes) == 0:
            return
        results['gt_bboxes'] = HorizontalBoxes(self.boxes)
        results['gt_bboxes_labels'] = self.labels
        results['gt_ignore_flags'] = self.ignore
        if self.masks is not None:
            results['gt_masks'] = BitmapMasks(
                self.masks, *self.image.shape[:2]
            )
