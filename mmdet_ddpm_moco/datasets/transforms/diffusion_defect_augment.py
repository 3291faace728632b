"""Synthesized defects and scenes of a teacher in a detection pipeline."""

from collections.abc import Mapping, Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from ...bank.compositing import Box, overlaps
from ...bank.format import NULL, BankWindow
from ...bank.reader import DefectBank
from ...utils.checks import check_arguments
from ...utils.errors import InputError
from ..labeled_images import BACKGROUND
from .annotations import NOT_USED, labels_in
from .pasted_sample import ORIGINS, ORIGINS_KEY, PastedSample
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
    its boxes with the probability that it is right. Windows that were
    synthesized on it are pasted as into any other image.

    Place it after ``LoadAnnotations`` and before anything that moves pixels.
    Randomness comes from numpy's global generator.

    **Required Keys:**

    - img (np.uint8 or another type with values up to 255; (H, W, 3), BGR, or
      gray: (H, W) or (H, W, 1))
    - img_path (str)
    - gt_bboxes (BaseBoxes[torch.float32] or np.float32, (N, 4)): of any type
      that converts to and from HorizontalBoxes
    - gt_bboxes_labels (np.int64, (N, ))
    - gt_ignore_flags (bool, (N, ))
    - gt_masks (BitmapMasks | PolygonMasks, optional)
    - gt_seg_map (np.uint8 or another type, (H, W), optional)

    **Modified Keys:**

    - img, gt_bboxes, gt_bboxes_labels, gt_ignore_flags, gt_masks, with their
      types
    - gt_seg_map: a synthesized defect's pixels, and those of a scene, become
      ``ignore_index`` (255 where the sample has none)
    - img_path, img_shape, ori_shape, height, width (of a scene)

    **Added Keys:**

    - box_origins (np.uint8, (N, )): of each box, a position in ``ORIGINS``;
      later transforms that drop boxes leave it as it is

    Args:
        bank (str | None): Folder of a finished defect bank. Defaults to
            None, no windows are pasted.
        prob (float): Probability that windows are pasted into an image, in
            [0, 1]. Defaults to 0.5.
        max_windows (int): Most windows pasted into one image, at least 1;
            the number is drawn uniformly from 1 on. Defaults to 4.
        classes (Sequence[str] | None): Class names of the dataset in the
            order of its labels; windows of other classes are not pasted.
            Defaults to None, those of the bank.
        scenes (str | None): Folder of scenes. Defaults to None, no sample is
            swapped.
        scene_prob (float): Probability that a sample is swapped, in [0, 1].
            Defaults to 0.5.
        class_weights (Mapping[str, float] | None): By names of the bank's
            classes and ``'background'``, of ``null`` windows; 1 for those
            not named. Among the windows of an image one is drawn in
            proportion to the weight of its class, and never with weight 0.
            Defaults to None, all alike.
        min_visibility (float): Share of a labeled box, in [0, 1], that has
            to stay visible: a window whose painted pixels (alpha above 0),
            with those of windows pasted before, would leave less of it is
            not pasted. The box that a ``replaces`` window is for and ignored
            boxes do not count. Defaults to 0, windows may hide any box.

    Raises:
        FileNotFoundError: There is no finished bank, or there are no scenes.
        ValueError: Neither is given, an argument is out of range, or bank or
            scenes have no class of ``classes``.

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
        class_weights: Mapping[str, float] | None = None,
        min_visibility: float = 0.0,
    ) -> None:
        if bank is None and scenes is None:
            msg = f'{type(self).__name__} needs a bank, scenes or both'
            raise InputError(msg)
        check_arguments(
            locals(),
            prob=(0 <= prob <= 1, 'in [0, 1]'),
            max_windows=(max_windows >= 1, 'at least 1'),
            min_visibility=(0 <= min_visibility <= 1, 'in [0, 1]'),
        )
        self.prob = prob
        self.max_windows = max_windows
        self.class_weights = (
            None if class_weights is None else {**class_weights}
        )
        self.min_visibility = min_visibility
        self.bank = None if bank is None else DefectBank(bank)
        if self.bank is not None:
            self._labels = labels_in(
                classes, self.bank.classes, f'the defect bank {bank}'
            )
            self._weights = _weights(self.class_weights, self.bank.classes)
        self.scene_swap = (
            None if scenes is None else SceneSwap(scenes, scene_prob, classes)
        )

    def windows_of(self, img_path: str) -> list[BankWindow]:
        """Windows of the bank that may be pasted into an image.

        Returns:
            list[BankWindow]: By number; none of a class that the dataset
            lacks.
        """
        if self.bank is None:
            return []
        return [
            window
            for window in self.bank.windows_of(img_path)
            if window.kind == NULL or self._labels[window.label] != NOT_USED
        ]

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Swaps one sample, and pastes windows, in place.

        Raises:
            ValueError: The bank's window does not belong to the image, or a
                scene cannot be read or has no masks for a sample with masks.
        """
        for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags'):
            if key not in results:
                msg = (
                    f'the sample {results.get("img_path")} has no {key}: put '
                    'DiffusionDefectAugment after a LoadAnnotations with '
                    'boxes and labels'
                )
                raise InputError(msg)
        swapped = self.scene_swap is not None and self.scene_swap(results)
        results[ORIGINS_KEY] = np.full(
            len(results['gt_bboxes_labels']),
            ORIGINS.index('scene' if swapped else 'real'),
            np.uint8,
        )
        if self.bank is None or np.random.rand() >= self.prob:
            return results
        windows = self.windows_of(results['img_path'])
        if not windows:
            return results
        wanted = np.random.randint(1, self.max_windows + 1)
        sample = PastedSample(results, self.min_visibility, swapped)
        occupied: list[Box] = []
        for index in self._order(windows):
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

    def _order(self, windows: Sequence[BankWindow]) -> np.ndarray:
        """Draws in which order windows are tried."""
        if self._weights is None:
            return np.random.permutation(len(windows))
        weights = self._weights[[w.label for w in windows]]
        # The first of exponential waiting times comes with a probability
        # in proportion to its rate; so do the next ones of those left.
        with np.errstate(divide='ignore'):
            waits = np.random.exponential(size=len(windows)) / weights
        return np.argsort(waits)[: np.count_nonzero(weights)]

    def __repr__(self) -> str:
        parts = []
        if self.bank is not None:
            parts.append(
                f'bank={str(self.bank.root)!r}, prob={self.prob}, '
                f'max_windows={self.max_windows}'
            )
            if self.class_weights is not None:
                parts.append(f'class_weights={self.class_weights}')
            if self.min_visibility:
                parts.append(f'min_visibility={self.min_visibility:g}')
        if self.scene_swap is not None:
            parts.append(
                f'scenes={str(self.scene_swap.scenes.root)!r}, '
                f'scene_prob={float(self.scene_swap.prob):g}'
            )
        return f'{type(self).__name__}({", ".join(parts)})'


def _weights(
    given: Mapping[str, float] | None, classes: Sequence[str]
) -> np.ndarray | None:
    """Weights by label; the last, which label -1 finds, of null windows."""
    if given is None:
        return None
    names = [*classes, BACKGROUND]
    weights = np.array([given.get(name, 1.0) for name in names], float)
    valid = bool((weights >= 0).all() and 0 < weights.sum() < np.inf)
    check_arguments(
        dict(class_weights=given),
        class_weights=(
            set(given) <= set(names) and valid,
            f'weights of at least 0, one of them above, of {", ".join(names)}',
        ),
    )
    return weights
