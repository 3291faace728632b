"""Masks of a sample that gets defects: bitmaps or polygons, as they came.

A batch or a mosaic joins masks of several images, so their type must not
depend on whether an image got a defect.
"""

from typing import Any

import cv2
import numpy as np
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from ...utils.errors import InputError


class SampleMasks:
    """A copy of a sample's masks, to which pixels are added.

    Args:
        masks (BitmapMasks | PolygonMasks): N masks of (H, W) pixels.

    Raises:
        ValueError: They are something else.
    """

    def __init__(self, masks: BitmapMasks | PolygonMasks) -> None:
        if not isinstance(masks, (BitmapMasks, PolygonMasks)):
            msg = (
                'masks have to be BitmapMasks or PolygonMasks, got '
                f'{type(masks).__name__}'
            )
            raise InputError(msg)
        self._given = masks
        # Arrays, or lists of polygons.
        self._changed: list[Any] = list(masks.masks)

    def append(self, region: np.ndarray) -> None:
        """Adds a mask of its own.

        Args:
            region (np.ndarray): bool (H, W).
        """
        self._changed.append(self._own(region))

    def extend(self, index: int, region: np.ndarray) -> None:
        """Adds pixels to a mask.

        Args:
            index (int): Which one.
            region (np.ndarray): bool (H, W).
        """
        old, new = self._changed[index], self._own(region)
        if isinstance(self._given, BitmapMasks):
            self._changed[index] = old | new
        else:
            self._changed[index] = [*old, *new]

    def result(self) -> BitmapMasks | PolygonMasks:
        """All masks, of the type and dtype of those given."""
        height, width = self._given.height, self._given.width
        if isinstance(self._given, BitmapMasks):
            if not self._changed:
                return self._given
            return BitmapMasks(np.stack(self._changed), height, width)
        return PolygonMasks(self._changed, height, width)

    def _own(self, region: np.ndarray) -> np.ndarray | list[np.ndarray]:
        if isinstance(self._given, BitmapMasks):
            masks = self._given.masks
            # mmdet has an array of (0, H, W) of any dtype without masks.
            return region.astype(masks.dtype if len(masks) else np.uint8)
        return outlines(region)


def outlines(region: np.ndarray) -> list[np.ndarray]:
    """Polygons around the connected parts of a region.

    Args:
        region (np.ndarray): bool (H, W).

    Returns:
        list[np.ndarray]: float32 (2 K, ) each: x, y, x, y … in pixels. As
        pycocotools draws them they cover the region's pixels, and its holes,
        which COCO's polygons cannot have.
    """
    # Of doubled pixels the contour has corners within pixels, not only one
    # point in each: so single pixels have an outline, too.
    doubled = region.astype(np.uint8).repeat(2, 0).repeat(2, 1)
    found, _ = cv2.findContours(
        doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return [
        (contour.reshape(-1).astype(np.float32) + 0.5) / 2 for contour in found
    ]
