"""Renders one demo plate with labels measured on it.

A label is what can be seen: the pixels that differ because of the defect. So
boxes and masks are right by construction, also where a defect fades out or
leaves the image.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from ..utils.errors import InputError
from .defects import DEFECTS
from .texture import develop, draw_noise, draw_surface

# Gray levels by which a pixel must change for the change to be visible.
VISIBLE = 5
# A defect fades out at most this many pixels beyond its mask.
MARGIN = 3
# Gaps up to this many pixels wide inside a defect belong to it.
GAP = 7
# Smaller defects are drawn again: nobody could point at them.
MIN_AREA, MIN_SIDE, MIN_MEAN_CHANGE = 40, 5, 9
ATTEMPTS = 500


class PlateDefect(NamedTuple):
    """One defect that can be seen on a plate."""

    label: str  # its kind: 'corrosion', 'dent' or 'scratch'
    box: list[int]  # [x, y, width, height], the tight bounds of `mask`
    mask: np.ndarray  # bool (H, W), the pixels that it changes


def render_plate(
    rng: np.random.Generator, defects: Sequence[str], size: int
) -> tuple[np.ndarray, list[PlateDefect]]:
    """Renders a brushed-aluminium plate with the given defects.

    Each defect has a random stream of its own, in the order given: without
    the last one all else stays the same. Masks are at least 7 pixels apart,
    and more than 3 pixels away from every mask the image is exactly that
    without any defect.

    Args:
        rng (np.random.Generator): From ``np.random.default_rng``.
        defects (Sequence[str]): Keys of ``DEFECTS``, in any number; none
            makes a defect-free plate.
        size (int): Height and width in pixels, at least 96.

    Returns:
        tuple[np.ndarray, list[PlateDefect]]: The image, uint8
        (size, size), and its defects in the order given.

    Raises:
        ValueError: If so many defects do not fit on the plate.
    """
    base, *streams = rng.spawn(1 + len(defects))
    surface = draw_surface(base, size)
    noise = draw_noise(base, size)
    free = np.ones((size, size), bool)
    found = []
    for label, stream in zip(defects, streams):
        for _ in range(ATTEMPTS):
            drawn = DEFECTS[label](stream, surface)
            change = np.subtract(
                develop(drawn, noise), develop(surface, noise), dtype=np.int16
            )
            mask = visible_mask(change)
            if is_distinct(change, mask) and free[mask].all():
                break
        else:
            msg = (
                f'no room for {len(defects)} defects on a plate of {size} '
                'pixels: ask for fewer, or for a larger plate'
            )
            raise InputError(msg)
        surface = _erase_outside(drawn, surface, change, mask)
        free &= ~_grown(mask, 2 * MARGIN)
        found.append(PlateDefect(label, tight_box(mask), mask))
    return develop(surface, noise), found


def visible_mask(change: np.ndarray) -> np.ndarray:
    """The pixels of a defect, from what it changed.

    These are the pixels changed by at least ``VISIBLE`` gray levels. Gaps and
    holes in between are filled (a dent does not change its own middle); of
    several parts the largest is kept.

    Args:
        change (np.ndarray): int16 (H, W), gray levels with the defect minus
            those without it.

    Returns:
        np.ndarray: bool (H, W), all False if nothing is visible.
    """
    visible = (np.abs(change) >= VISIBLE).astype(np.uint8)
    if not visible.any():
        return visible.astype(bool)
    # Without a border, closing would add the edge of the image to the defect.
    padded = cv2.copyMakeBorder(
        visible, GAP, GAP, GAP, GAP, cv2.BORDER_CONSTANT, value=0
    )
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (GAP, GAP))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    outlines, _ = cv2.findContours(
        closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    filled = np.zeros_like(closed)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(filled)
    largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    return (parts == largest)[GAP:-GAP, GAP:-GAP]


def is_distinct(change: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a defect is large enough and clearly visible.

    See :func:`visible_mask`.
    """
    if mask.sum() < MIN_AREA or min(tight_box(mask)[2:]) < MIN_SIDE:
        return False
    return bool(np.abs(change[mask]).mean() >= MIN_MEAN_CHANGE)


def tight_box(mask: np.ndarray) -> list[int]:
    """[x, y, width, height] of a bool (H, W) mask that is not empty."""
    return list(cv2.boundingRect(mask.astype(np.uint8)))


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), square).astype(bool)


def _erase_outside(
    drawn: np.ndarray,
    surface: np.ndarray,
    change: np.ndarray,
    mask: np.ndarray,
) -> np.ndarray:
    """Removes what a defect changed outside its mask.

    A visible part outside the label would be an unlabeled defect. Only the
    faint rim close to the mask stays, or masks would end in a hard edge.
    """
    keep = mask | (_grown(mask, MARGIN) & (np.abs(change) < VISIBLE))
    return np.where(keep, drawn, surface)
