"""Cuts the part of an image out that is the sample."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS


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
            is taken at random, drawn from numpy's global generator. All
            samples then show the metal at one scale, as a detector sees it,
            whereas whole images are shrunk to the size of a view. Defaults
            to None, whole crops and images.

    Raises:
        ValueError: ``window`` is below 1, or a crop is empty or reaches out
            of its image.
    """

    def __init__(self, window: int | None = None) -> None:
        if window is not None and window < 1:
            msg = f'window must be at least 1 pixel, got {window}'
            raise ValueError(msg)
        self.window = window

    def transform(self, results: dict) -> dict:
        """Crops ``results['img']``.

        Args:
            results (dict): Of one sample.

        Returns:
            dict: The same dict.
        """
        height, width = results['img'].shape[:2]
        x, y, w, h = results['crop'] or (0, 0, width, height)
        if not (0 <= x < x + w <= width and 0 <= y < y + h <= height):
            msg = (
                f'the crop (x, y, w, h) = {(x, y, w, h)} is not inside '
                f'{results.get("img_path", "the image")}, '
                f'{width}x{height} pixels; do its annotations give '
                'another size?'
            )
            raise ValueError(msg)
        if self.window is not None:
            x, w = self._part(x, w)
            y, h = self._part(y, h)
        results['img'] = results['img'][y : y + h, x : x + w]
        results['img_shape'] = (h, w)
        return results

    def _part(self, start: int, length: int) -> tuple[int, int]:
        if length <= self.window:
            return start, length
        return start + np.random.randint(length - self.window + 1), self.window

    def __repr__(self) -> str:
        """Shows the arguments."""
        return f'{type(self).__name__}(window={self.window})'
