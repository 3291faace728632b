"""A sample into which windows of a defect bank are pasted."""

import warnings

import numpy as np

from ...bank.compositing import Box, crop
from ...bank.format import ADD, NULL, REPLACES, BankWindow
from ...bank.patches import Patch
from ...bank.reader import DefectBank, OtherImageError
from ...utils.errors import InputError
from .annotations import append_boxes, horizontal_corners, ignored_label
from .masks import SampleMasks
from .own_image import own_image
from .visible_boxes import VisibleBoxes

# Where a box comes from: the annotations, a window, a scene of teachers.
ORIGINS = ('real', ADD, REPLACES, 'scene')
ORIGINS_KEY = 'box_origins'


class PastedSample:
    """A sample while windows are pasted into it.

    Args:
        results (dict): Of a pipeline, with ``ORIGINS_KEY``; they change in
            :meth:`write_back`, but for the origins of replaced boxes.
        min_visibility (float): See
            :class:`~.diffusion_defect_augment.DiffusionDefectAugment`.
        is_scene (bool): Whether teachers labeled it.
    """

    def __init__(
        self, results: dict, min_visibility: float, is_scene: bool
    ) -> None:
        self.results = results
        self.is_scene = is_scene
        moved = results.get('homography_matrix')
        self.moved = moved is not None and not np.allclose(moved, np.eye(3))
        self.image = own_image(results)
        self.added: list[tuple[Box, int]] = []
        masks = results.get('gt_masks')
        self.masks = None if masks is None else SampleMasks(masks)
        semantic = results.get('gt_seg_map')
        self.semantic = None if semantic is None else semantic.copy()
        self.visibility = (
            VisibleBoxes(
                horizontal_corners(results['gt_bboxes']),
                results['gt_ignore_flags'],
                self.image.shape[:2],
                min_visibility,
            )
            if min_visibility
            else None
        )

    def paste(self, bank: DefectBank, window: BankWindow, label: int) -> bool:
        """Pastes a window.

        Args:
            bank (DefectBank): The window's.
            window (BankWindow): One that was made on this image.
            label (int): Its class in the data set; any number for ``null``.

        Returns:
            bool: False, and nothing changed, if the defect that it replaces
            is missing, it would hide a labeled one, or it was made on
            another image than this scene.

        Raises:
            ValueError: The window does not belong to the image, or pixels
                of the image have been moved.
        """
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

        def accept(patch: Patch) -> bool:
            if self.visibility is None:
                return True
            painted = _in_image(patch, window)
            return self.visibility.cover(painted, replaced, patch.alpha)

        try:
            patch = bank.paste(window, self.image, name, accept)
        except OtherImageError:
            # The bank may know a labeled image of a scene's name.
            if not self.is_scene:
                raise
            return False
        if patch is None:
            return False
        if window.kind == ADD:
            self.added.append((window.box, label))
        elif replaced is not None:
            self.results[ORIGINS_KEY][replaced] = ORIGINS.index(REPLACES)
        if window.kind != NULL:
            self._label_pixels(_in_image(patch, window), patch.alpha, replaced)
        return True

    def _label_pixels(
        self, painted: Box, alpha: np.ndarray, replaced: int | None
    ) -> None:
        if self.semantic is not None:
            # Classes of pixels are not those of boxes: which one a defect
            # has, or its soft rim, the bank does not know.
            part = crop(self.semantic, painted)
            part[alpha > 0] = ignored_label(self.results)
        if self.masks is not None:
            region = np.zeros(self.image.shape[:2], bool)
            crop(region, painted)[:] = alpha == 255
            if replaced is None:
                self.masks.append(region)
            else:
                # Outside of it the replaced defect is still visible.
                self.masks.extend(replaced, region)

    def _find(self, box: Box, label: int) -> int | None:
        """Index of the annotation with a box and label of the bank."""
        x, y, w, h = box
        # The bank rounds boxes outwards to whole pixels and clips them.
        height, width = self.image.shape[:2]
        boxes = horizontal_corners(self.results['gt_bboxes'])
        boxes = boxes.clip(0, (width, height, width, height))
        near = np.abs(boxes - (x, y, x + w, y + h)).max(1) <= 1
        same_label = self.results['gt_bboxes_labels'] == label
        found = np.flatnonzero(near & same_label)
        if len(found):
            return int(found[0])
        if self.is_scene:
            return None  # whose boxes are there as often as they are right
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
        added = np.full(len(self.added), ORIGINS.index(ADD), np.uint8)
        self.results[ORIGINS_KEY] = np.concatenate(
            [self.results[ORIGINS_KEY], added]
        )
        if self.masks is not None:
            self.results['gt_masks'] = self.masks.result()
        if self.semantic is not None:
            self.results['gt_seg_map'] = self.semantic


def _in_image(patch: Patch, window: BankWindow) -> Box:
    """The painted box of a patch, in the image."""
    left, top, *_ = window.window
    x, y, w, h = patch.painted
    return left + x, top + y, w, h
