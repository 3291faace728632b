"""The two views of contrastive learning, in one fast transform.

mmpretrain's pipeline processes the image in color and at full size, once per
view. Steel is gray, and a view is small: here one channel is decoded once, no
larger than needed.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmengine.registry import TRANSFORMS

from ...utils.checks import check_arguments
from ...utils.errors import InputError
from .augmented_view import (
    DIRECTIONS,
    ViewParams,
    blur,
    draw_box,
    draw_flip,
    draw_jitter,
    draw_sigma,
    flip,
    jitter,
)
from .crop_to_sample import sample_box
from .scaled_decoding import FACTORS, decode, shrinkable_size


@TRANSFORMS.register_module()
class TwoViews(BaseTransform):
    """Loads an image and makes two views of the sample in it.

    The augmentations of MoCo v2 (arXiv 2003.04297). Replaces
    ``LoadImageFromFile``, ``CropToSample`` and ``MultiView`` of
    ``RandomResizedCrop``, ``ColorJitter``, ``GaussianBlur`` and
    ``RandomFlip``. The same seed gives the same views, except for the
    rounding of the blur and for JPEGs that are larger than needed: these are
    shrunk by the decoder, which averages pixels that ``RandomResizedCrop``
    skips.

    **Required Keys:**

    - img_path (str)
    - crop (tuple[int, int, int, int] | None, optional): ``(x, y, w, h)`` of
      the sample in pixels; None for the whole image.
    - defect (tuple[int, int, int, int] | None, optional): Where a window has
      its center, see :func:`~.crop_to_sample.sample_box`.

    **Added Keys:**

    - img (list[np.ndarray]): Two views, each uint8 (H, W, 3), BGR. The
      channels of a gray image share their memory and are read-only.
    - img_shape (tuple[int, int]): ``(height, width)`` of the views.
    - ori_shape (tuple[int, int]): The same of the image file.

    Args:
        scale (int | tuple[int, int]): Side of the views in pixels, or
            ``(height, width)``.
        window (int, optional): Longer sides of the sample are first cropped
            to this many pixels, at random and once for both views, around
            the defect that the sample is named after, if any. Samples then
            keep the scale that a detector is trained at, whereas whole
            images are shrunk to the size of a view. Defaults to None, whole
            samples.
        crop_ratio_range (Sequence[float]): Least and largest area of a view,
            as a share of the sample, in (0, 1]. Defaults to (0.08, 1.0).
        aspect_ratio_range (Sequence[float]): Least and largest width over
            height of the part that becomes a view. Defaults to (3/4, 4/3).
        brightness (float): Strength b >= 0 of its jitter, a factor uniform
            in [1 - b, 1 + b]. Defaults to 0.4.
        contrast (float): The same for contrast. Defaults to 0.4.
        jitter_prob (float): Probability of the jitter, in [0, 1]. Defaults
            to 0.8.
        sigma_range (Sequence[float]): Least and largest standard deviation
            of the blur, in pixels of the view. Defaults to (0.1, 2.0).
        blur_prob (float): Probability of a blur, in [0, 1]. Defaults to 0.5.
        flips (Mapping[str, float], optional): Probabilities of the
            directions ``'horizontal'``, ``'vertical'`` and ``'diagonal'``,
            at most 1 in sum. Defaults to None, no flip.
        color_type (str): ``'grayscale'`` or ``'color'``, which leaves files
            of one channel gray. Defaults to ``'color'``.

    Raises:
        ValueError: An argument out of range, an image that cannot be
            decoded, or a crop that is not inside its image.
    """

    def __init__(
        self,
        scale: int | tuple[int, int],
        window: int | None = None,
        crop_ratio_range: Sequence[float] = (0.08, 1.0),
        aspect_ratio_range: Sequence[float] = (3 / 4, 4 / 3),
        brightness: float = 0.4,
        contrast: float = 0.4,
        jitter_prob: float = 0.8,
        sigma_range: Sequence[float] = (0.1, 2.0),
        blur_prob: float = 0.5,
        flips: Mapping[str, float] | None = None,
        color_type: str = 'color',
    ) -> None:
        self.scale = (scale, scale) if isinstance(scale, int) else scale
        self.window = window
        self.crop_ratio_range = crop_ratio_range
        self.aspect_ratio_range = aspect_ratio_range
        self.brightness = brightness
        self.contrast = contrast
        self.jitter_prob = jitter_prob
        self.sigma_range = sigma_range
        self.blur_prob = blur_prob
        self.flips = dict(flips or {})
        self.color_type = color_type
        low, high = crop_ratio_range
        narrow, wide = aspect_ratio_range
        sharp, soft = sigma_range
        probs = self.flips.values()
        check_arguments(
            locals(),
            scale=(min(self.scale) >= 1, 'at least 1'),
            window=(window is None or window >= 1, 'at least 1 pixel'),
            crop_ratio_range=(0 < low <= high <= 1, 'rising, in (0, 1]'),
            aspect_ratio_range=(0 < narrow <= wide, 'rising, above 0'),
            brightness=(brightness >= 0, 'at least 0'),
            contrast=(contrast >= 0, 'at least 0'),
            jitter_prob=(0 <= jitter_prob <= 1, 'in [0, 1]'),
            sigma_range=(0 <= sharp <= soft, 'rising, from 0 on'),
            blur_prob=(0 <= blur_prob <= 1, 'in [0, 1]'),
            flips=(
                set(self.flips) <= set(DIRECTIONS)
                and all(prob >= 0 for prob in probs)
                and sum(probs) <= 1 + 1e-9,
                f'probabilities of {DIRECTIONS}, at most 1 in sum',
            ),
            color_type=(
                color_type in ('color', 'grayscale'),
                "'color' or 'grayscale'",
            ),
        )

    def transform(self, results: dict) -> dict:
        """Adds the views of one sample to its results."""
        encoded = fileio.get(results['img_path'])
        gray = self.color_type == 'grayscale'
        size, image = shrinkable_size(encoded), None
        if size is None:
            image = _decode(encoded, 1, gray, results)
            size = image.shape[1::-1]
        sample = sample_box(results, size, self.window)
        views = [self._draw(sample[2:]) for _ in range(2)]
        factor = 1
        if image is None:
            factor = self._factor(views)
            image = _decode(encoded, factor, gray, results)
        results['img'] = [
            self._render(image, sample[:2], factor, view) for view in views
        ]
        results['img_shape'] = tuple(self.scale)
        results['ori_shape'] = size[::-1]
        return results

    def _draw(self, size: tuple[int, int]) -> ViewParams:
        return ViewParams(
            draw_box(size, self.crop_ratio_range, self.aspect_ratio_range),
            draw_jitter(self.brightness, self.contrast, self.jitter_prob),
            draw_sigma(self.sigma_range, self.blur_prob),
            draw_flip(self.flips),
        )

    def _factor(self, views: Sequence[ViewParams]) -> int:
        """Largest factor of decoding that leaves each view enough pixels."""
        height, width = self.scale
        room = min(v.box[2] * v.box[3] for v in views) / (width * height)
        return max(f for f in FACTORS if f == 1 or f * f <= room)

    def _render(
        self,
        image: np.ndarray,
        origin: tuple[int, int],
        factor: int,
        view: ViewParams,
    ) -> np.ndarray:
        x, y = origin[0] + view.box[0], origin[1] + view.box[1]
        w, h = view.box[2:]
        left, top, right, bottom = (
            round(v / factor) for v in (x, y, x + w, y + h)
        )
        pixels = cv2.resize(image[top:bottom, left:right], self.scale[::-1])
        pixels = blur(jitter(pixels, view.jitter), view.sigma)
        pixels = flip(pixels, view.flip)
        if pixels.ndim == 3:
            return pixels
        return np.broadcast_to(pixels[..., None], (*pixels.shape, 3))

    def __repr__(self) -> str:
        shown = ', '.join(
            f'{key}={value!r}' for key, value in vars(self).items()
        )
        return f'{type(self).__name__}({shown})'


def _decode(
    encoded: bytes, factor: int, gray: bool, results: dict
) -> np.ndarray:
    image = decode(encoded, factor, gray)
    if image is None:
        msg = f'{results["img_path"]} cannot be decoded as an image'
        raise InputError(msg)
    return image
