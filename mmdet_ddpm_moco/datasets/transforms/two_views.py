"""The two views that contrast needs, made in one go.

mmpretrain's transforms for this each convert the image, in color and at full
size, and all of them but the decoding run for either view. Steel is gray, and
a view is small: here one channel is decoded once, no larger than needed.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmengine.registry import TRANSFORMS

from ...utils.errors import InputError
from .augmented_view import (
    DIRECTIONS,
    ViewDraws,
    blur,
    draw_box,
    draw_flip,
    draw_jitter,
    draw_sigma,
    flip,
    jitter,
)
from .crop_to_sample import check_window, sample_box
from .scaled_decoding import FACTORS, decode, shrinkable_size


@TRANSFORMS.register_module()
class TwoViews(BaseTransform):
    """Loads an image and makes two views of the sample in it.

    It stands for ``LoadImageFromFile``, ``CropToSample`` and ``MultiView`` of
    ``RandomResizedCrop``, ``ColorJitter``, ``GaussianBlur`` and
    ``RandomFlip``, and one seed gives the same views, but for the rounding of
    the blur and for one thing: a JPEG that is larger than needed is shrunk
    while it is decoded, which averages pixels that ``RandomResizedCrop``
    skips.

    **Required Keys:**

    - img_path (str)
    - crop (tuple[int, int, int, int] | None, optional): ``(x, y, w, h)`` of
      the sample in pixels; None is all of the image.

    **Added Keys:**

    - img (list[np.ndarray]): Two views, each uint8 (H, W, 3), BGR. The
      channels of a gray image share their memory and cannot be written to.
    - img_shape (tuple[int, int]): ``(height, width)`` of the views.
    - ori_shape (tuple[int, int]): The same of the image file.

    Args:
        scale (int | tuple[int, int]): Side of the views in pixels, or
            ``(height, width)``.
        window (int, optional): Of a longer side of the sample, a part of
            this many pixels is taken at random, before and for both views.
            All samples then show the metal at one scale, as a detector sees
            it, whereas whole images are shrunk to the size of a view.
            Defaults to None, whole samples.
        crop_ratio_range (Sequence[float]): Least and largest area of a view,
            as a share of the sample, in (0, 1]. Defaults to (0.08, 1.0).
        aspect_ratio_range (Sequence[float]): Least and largest width over
            height of the part that becomes a view. Defaults to (3/4, 4/3).
        brightness (float): Its factor is uniform in [1 - brightness,
            1 + brightness]; at least 0. Defaults to 0.4.
        contrast (float): The same of the contrast. Defaults to 0.4.
        jitter_prob (float): Probability that brightness and contrast are
            changed, in [0, 1]. Defaults to 0.8.
        sigma_range (Sequence[float]): Least and largest standard deviation
            of the blur, in pixels of the view. Defaults to (0.1, 2.0).
        blur_prob (float): Probability of a blur, in [0, 1]. Defaults to 0.5.
        flips (Mapping[str, float], optional): Probability of each direction,
            of ``'horizontal'``, ``'vertical'`` and ``'diagonal'``, 1 in sum
            at most. Defaults to None, no flip.
        color_type (str): ``'grayscale'`` turns colors into gray. With
            ``'color'`` they stay; files of one channel are gray all the
            same. Defaults to ``'color'``.

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
        self._check()

    def _check(self) -> None:
        check_window(self.window)
        low, high = self.crop_ratio_range
        narrow, wide = self.aspect_ratio_range
        sharp, soft = self.sigma_range
        flips = self.flips
        for name, fine, needed in (
            ('scale', min(self.scale) >= 1, 'at least 1'),
            ('crop_ratio_range', 0 < low <= high <= 1, 'rising, in (0, 1]'),
            ('aspect_ratio_range', 0 < narrow <= wide, 'rising, above 0'),
            ('brightness', self.brightness >= 0, 'at least 0'),
            ('contrast', self.contrast >= 0, 'at least 0'),
            ('jitter_prob', 0 <= self.jitter_prob <= 1, 'in [0, 1]'),
            ('sigma_range', 0 <= sharp <= soft, 'rising, from 0 on'),
            ('blur_prob', 0 <= self.blur_prob <= 1, 'in [0, 1]'),
            (
                'flips',
                set(flips) <= set(DIRECTIONS)
                and all(p >= 0 for p in flips.values())
                and sum(flips.values()) <= 1 + 1e-9,
                f'probabilities by direction, of {DIRECTIONS}, 1 in sum at '
                'most',
            ),
            (
                'color_type',
                self.color_type in ('color', 'grayscale'),
                "'color' or 'grayscale'",
            ),
        ):
            if not fine:
                msg = f'{name} must be {needed}, got {getattr(self, name)!r}'
                raise InputError(msg)

    def transform(self, results: dict) -> dict:
        """Loads and augments.

        Args:
            results (dict): Of one sample.

        Returns:
            dict: The same dict.
        """
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

    def _draw(self, size: tuple[int, int]) -> ViewDraws:
        return ViewDraws(
            draw_box(size, self.crop_ratio_range, self.aspect_ratio_range),
            draw_jitter(self.brightness, self.contrast, self.jitter_prob),
            draw_sigma(self.sigma_range, self.blur_prob),
            draw_flip(self.flips),
        )

    def _factor(self, views: Sequence[ViewDraws]) -> int:
        """The most that decoding may shrink: no view lacks pixels then."""
        height, width = self.scale
        room = min(v.box[2] * v.box[3] for v in views) / (width * height)
        return max(f for f in FACTORS if f == 1 or f * f <= room)

    def _render(
        self,
        image: np.ndarray,
        origin: tuple[int, int],
        factor: int,
        view: ViewDraws,
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
