"""Renders one demo plate together with labels measured on it.

A label is not what was meant to be drawn but what can be seen: the pixels
which are different because of the defect. So boxes and masks are right by
construction, also where a defect fades out or leaves the picture.
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
# What is smaller than this is drawn again: nobody could point at it.
MIN_AREA, MIN_SIDE, MIN_MEAN_CHANGE = 40, 5, 9
MIN_SIZE, ATTEMPTS = 96, 500


class PlateDefect(NamedTuple):
    """One defect that can be seen on a plate.

    Attributes:
        label (str): Its kind: ``'corrosion'``, ``'dent'`` or ``'scratch'``.
        box (list[int]): [x, y, width, height] in pixels: the tight bounds
            of ``mask``.
        mask (np.ndarray): bool (H, W), the pixels which it changes.
    """

    label: str
    box: list[int]
    mask: np.ndarray


def render_plate(
    rng: np.random.Generator, defects: Sequence[str], size: int
) -> tuple[np.ndarray, list[PlateDefect]]:
    """Renders a brushed-aluminium plate with the given defects.

    Each defect draws from a random stream of its own, in the order given:
    leaving the last one away leaves all else as it was. Masks lie
    at least 7 pixels apart, and more than 3 pixels away from every mask
    the picture is the very same as without any defect.

    Args:
        rng (np.random.Generator): Source of everything random, as made by
            ``np.random.default_rng``.
        defects (Sequence[str]): Kinds of defect; a kind may come repeatedly,
            and none makes a defect-free plate.
        size (int): Height and width in pixels, at least 96.

    Returns:
        tuple[np.ndarray, list[PlateDefect]]: The picture, uint8
        (size, size), and its defects in the order given.

    Raises:
        ValueError: If a kind is unknown, the size is too small, or so many
            defects do not fit on the plate.
    """
    unknown = sorted(set(defects) - set(DEFECTS))
    if unknown:
        msg = f'unknown defect {unknown[0]!r}: use one of {", ".join(DEFECTS)}'
        raise InputError(msg)
    if size < MIN_SIZE:
        msg = f'a plate of {size} pixels is too small: use {MIN_SIZE} or more'
        raise InputError(msg)

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
    """Says which pixels belong to a defect, from what it changed.

    These are the pixels changed by at least ``VISIBLE`` gray levels. Gaps and
    holes in between are filled (a dent does not change its own middle), and
    of what is still apart the largest part is kept.

    Args:
        change (np.ndarray): int16 (H, W), gray levels with the defect minus
            those without it.

    Returns:
        np.ndarray: bool (H, W), all False if nothing is visible.
    """
    visible = (np.abs(change) >= VISIBLE).astype(np.uint8)
    if not visible.any():
        return visible.astype(bool)
    # Without a border, closing would take the edge of the picture for part
    # of the defect.
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
    """Says whether a person could point at the defect.

    Args:
        change (np.ndarray): int16 (H, W), gray levels.
        mask (np.ndarray): bool (H, W), its visible pixels.

    Returns:
        bool: True if it is large enough and stands out.
    """
    if mask.sum() < MIN_AREA or min(tight_box(mask)[2:]) < MIN_SIDE:
        return False
    return bool(np.abs(change[mask]).mean() >= MIN_MEAN_CHANGE)


def tight_box(mask: np.ndarray) -> list[int]:
    """Measures the bounds of a mask.

    Args:
        mask (np.ndarray): bool (H, W), not empty.

    Returns:
        list[int]: [x, y, width, height] in pixels.
    """
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
    """Takes back what a defect did outside its mask.

    A visible part that the label does not hold would be an unlabeled
    defect. Only the faint fading close to the mask stays, or masks would
    end in an edge of their own.
    """
    keep = mask | (_grown(mask, MARGIN) & (np.abs(change) < VISIBLE))
    return np.where(keep, drawn, surface)
