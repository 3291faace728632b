"""Slices of a large image, as views of a test-time augmentation."""

import copy
import math
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet.registry import TRANSFORMS

from ...utils.checks import check_arguments


def slice_starts(length: int, size: int, overlap: float) -> list[int]:
    """Where slices of a side start: evenly spread, the last ends with it.

    Args:
        length (int): Of the side, pixels.
        size (int): Of a slice, pixels. A shorter side is one slice.
        overlap (float): Least share of a slice that it has in common with
            its neighbor, in [0, 1).

    Returns:
        list[int]: Rising, from 0.
    """
    if length <= size:
        return [0]
    steps = math.ceil((length - size) / max(1, int(size * (1 - overlap))))
    starts = np.linspace(0, length - size, steps + 1)
    return [int(start) for start in starts]


@TRANSFORMS.register_module()
class SliceImage(BaseTransform):
    """Cuts an image into overlapping slices and prepares each by itself.

    In a test pipeline, after the image is loaded and in place of all that
    follows. :class:`~mmdet_ddpm_moco.SlicedTTAModel` merges what is found.

    **Required Keys:**

    - img (np.uint8, (H, W, 3))

    **Modified Keys:** those of ``transforms``, each a list over slices.

    **Added Keys:**

    - slice_box (tuple[int, ...]): x, y, width, height of a slice in its
      image, pixels; ``full_shape`` (tuple[int, int]): height and width of
      the image. ``PackDetInputs`` has to name both among its ``meta_keys``.

    Args:
        size (int): Side of a slice, pixels, at least 32. Smaller images are
            one slice.
        overlap (float): Least share of a slice that it has in common with
            its neighbor, in [0, 1). What is smaller than that is whole in
            one of them. Defaults to 0.2.
        transforms (Sequence[dict]): From resizing to packing.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self, size: int, overlap: float = 0.2, transforms: Sequence[dict] = ()
    ) -> None:
        check_arguments(
            locals(),
            size=(size >= 32, 'at least 32'),
            overlap=(0 <= overlap < 1, 'in [0, 1)'),
        )
        self.size = size
        self.overlap = overlap
        self.transforms = Compose(list(transforms))

    def transform(self, results: dict) -> dict:
        """Returns what ``transforms`` make of each slice, key by key."""
        image = results.pop('img')
        height, width = image.shape[:2]
        views: list[dict] = []
        for y in slice_starts(height, self.size, self.overlap):
            for x in slice_starts(width, self.size, self.overlap):
                part = image[y : y + self.size, x : x + self.size]
                view = copy.deepcopy(results)
                view['img'] = np.ascontiguousarray(part)
                view['img_shape'] = view['ori_shape'] = part.shape[:2]
                view['slice_box'] = (x, y, part.shape[1], part.shape[0])
                view['full_shape'] = (height, width)
                views.append(self.transforms(view))
        return {key: [view[key] for view in views] for key in views[0]}

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, overlap={self.overlap}, '
            f'transforms={self.transforms})'
        )
