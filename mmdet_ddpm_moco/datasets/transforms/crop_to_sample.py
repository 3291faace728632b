"""Cuts the part of an image out that is the sample."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from ...utils.errors import InputError


def sample_box(
    results: dict, size: tuple[int, int], window: int | None = None
) -> tuple[int, int, int, int]:
    """The part of an image that is the sample.

    Args:
        results (dict): Of the sample; without ``crop``, or where that is
            None, all of the image is.
        size (tuple[int, int]): ``(width, height)`` of the image, in pixels.
        window (int, optional): Of a longer side, this many pixels are taken
            at random, drawn from numpy's global generator. Defaults to None,
            whole sides.

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
            f'{width}x{height} pixels; do its annotations give '
            'another size?'
        )
        raise InputError(msg)
    if window is not None:
        x, w = _part(x, w, window)
        y, h = _part(y, h, window)
    return x, y, w, h


def check_window(window: int | None) -> None:
    """Raises ``ValueError`` for a window without a pixel."""
    if window is not None and window < 1:
        msg = f'window must be at least 1 pixel, got {window}'
        raise InputError(msg)


def _part(start: int, length: int, window: int) -> tuple[int, int]:
    if length <= window:
        return start, length
    return start + np.random.randint(length - window + 1), window


@TRANSFORMS.register_module()
class CropToSample(BaseTransform):
    """Crops the image to ``crop``; without a crop it stays whole.

    **Required Keys:**

    - img (np.uint8 | np.float32, (H, W, ...))
    - crop (tuple[int, int, int, int] | None): ``(x, y, w, h)`` in pixels.

    **Modified Keys:**

    - img
    - img_shape (tuple[int, int]): ``(height, width)``.

    Args:
        window (int, optional): Of a longer side, a part of this many pixels
            is taken at random, see :func:`sample_box`. Defaults to None,
            whole crops and images.

    Raises:
        ValueError: ``window`` is below 1, or a crop is empty or reaches out
            of its image.
    """

    def __init__(self, window: int | None = None) -> None:
        check_window(window)
        self.window = window

    def transform(self, results: dict) -> dict:
        """Crops ``results['img']``.

        Args:
            results (dict): Of one sample.

        Returns:
            dict: The same dict.
        """
        x, y, w, h = sample_box(
            results, results['img'].shape[1::-1], self.window
        )
        results['img'] = results['img'][y : y + h, x : x + w]
        results['img_shape'] = (h, w)
        return results

    def __repr__(self) -> str:
        """Shows the arguments."""
        return f'{type(self).__name__}(window={self.window})'
