"""Crops an image to the part that is the sample."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from ...utils.checks import check_arguments
from ...utils.errors import InputError


def sample_box(
    results: dict, size: tuple[int, int], window: int | None = None
) -> tuple[int, int, int, int]:
    """The part of an image that is the sample.

    Args:
        results (dict): Of the sample; without ``crop``, or with None, it is
            the whole image.
        size (tuple[int, int]): ``(width, height)`` of the image, in pixels.
        window (int, optional): Longer sides are cropped to this many pixels,
            at random by numpy's global generator. Where ``results`` have the
            ``defect`` that the sample is named after, a box in pixels of the
            image, the center of the window lies in it, as far as the borders
            of the sample let it. Defaults to None, whole sides.

    Returns:
        tuple[int, int, int, int]: ``(x, y, w, h)`` in pixels.

    Raises:
        ValueError: The crop is empty or reaches out of the image.
    """
    width, height = size
    x, y, w, h = results.get('crop') or (0, 0, width, height)
    if not (0 <= x < x + w <= width and 0 <= y < y + h <= height):
        msg = (
            f'the crop (x, y, w, h) = {(x, y, w, h)} is not inside '
            f'{results.get("img_path", "the image")}, '
            f'{width}x{height} pixels; do its annotations have another size?'
        )
        raise InputError(msg)
    if window is not None:
        left, top, wide, high = results.get('defect') or (0, 0, 0, 0)
        x, w = _random_part(x, w, window, left, wide)
        y, h = _random_part(y, h, window, top, high)
    return x, y, w, h


def _random_part(
    start: int, length: int, window: int, first: int, number: int
) -> tuple[int, int]:
    """A window along an axis, with its center in the given pixels, if any."""
    if length <= window:
        return start, length
    last = start + length - window
    if not number:
        return np.random.randint(start, last + 1), window
    center = first + np.random.randint(number)
    return min(max(center - window // 2, start), last), window


@TRANSFORMS.register_module()
class CropToSample(BaseTransform):
    """Crops the image to ``crop``, if there is one.

    **Required Keys:**

    - img (np.uint8 | np.float32, (H, W, ...))
    - crop (tuple[int, int, int, int] | None): ``(x, y, w, h)`` in pixels.
    - defect (tuple[int, int, int, int] | None, optional): Where a window has
      its center, see :func:`sample_box`.

    **Modified Keys:**

    - img
    - img_shape (tuple[int, int]): ``(height, width)``.

    Args:
        window (int, optional): Side in pixels to which longer sides are
            cropped, see :func:`sample_box`. Defaults to None, whole crops.

    Raises:
        ValueError: ``window`` is below 1, or a crop is empty or reaches out
            of its image.
    """

    def __init__(self, window: int | None = None) -> None:
        check_arguments(
            locals(),
            window=(window is None or window >= 1, 'at least 1 pixel'),
        )
        self.window = window

    def transform(self, results: dict) -> dict:
        """Crops ``results['img']``, in place."""
        x, y, w, h = sample_box(
            results, results['img'].shape[1::-1], self.window
        )
        results['img'] = results['img'][y : y + h, x : x + w]
        results['img_shape'] = (h, w)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(window={self.window})'
