"""Cuts the part of an image out that is the sample."""

from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS


def sample_box(
    results: dict, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The part of an image that is the sample.

    Args:
        results (dict): Of the sample; without ``crop``, or where that is
            None, all of the image is.
        size (tuple[int, int]): ``(width, height)`` of the image, in pixels.

    Returns:
        tuple[int, int, int, int]: ``(x, y, w, h)`` in pixels.

    Raises:
        ValueError: The crop is empty or reaches out of the image.
    """
    width, height = size
    if results.get('crop') is None:
        return 0, 0, width, height
    x, y, w, h = results['crop']
    if not (0 <= x < x + w <= width and 0 <= y < y + h <= height):
        msg = (
            f'the crop (x, y, w, h) = {(x, y, w, h)} is not inside '
            f'{results.get("img_path", "the image")}, '
            f'{width}x{height} pixels; do its annotations give '
            'another size?'
        )
        raise ValueError(msg)
    return x, y, w, h


@TRANSFORMS.register_module()
class CropToSample(BaseTransform):
    """Crops the image to ``crop``; without a crop it stays whole.

    **Required Keys:**

    - img (np.uint8 | np.float32, (H, W, ...))
    - crop (tuple[int, int, int, int] | None): ``(x, y, w, h)`` in pixels.

    **Modified Keys:**

    - img
    - img_shape (tuple[int, int]): ``(height, width)``.

    Raises:
        ValueError: The crop is empty or reaches out of the image.
    """

    def transform(self, results: dict) -> dict:
        """Crops ``results['img']``.

        Args:
            results (dict): Of one sample.

        Returns:
            dict: The same dict.
        """
        if results['crop'] is None:
            return results
        x, y, w, h = sample_box(results, results['img'].shape[1::-1])
        results['img'] = results['img'][y : y + h, x : x + w]
        results['img_shape'] = (h, w)
        return results
