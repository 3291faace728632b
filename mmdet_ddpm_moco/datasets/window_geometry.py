"""Boxes and windows: where a window is, and which part of it is the defect.

Training the generator and synthesizing with it share these functions, so
that it is applied to what it was trained on.
"""

import math
from collections.abc import Sequence

import numpy as np

from ..bank.compositing import Box, crop, intersect, overlaps, soft_alpha

# Rim, in pixels, over which a synthesized defect fades into its background.
FEATHER = 4
# Sides of windows are multiples of this many pixels.
_STEP = 16


def _start(low: int, high: int, rng: np.random.RandomState) -> int:
    return int(rng.randint(low, max(low, high) + 1))


def place_window(
    box: Box,
    image_size: tuple[int, int],
    size: tuple[int, int],
    rng: np.random.RandomState,
) -> Box:
    """Places a window of a given size over a defect.

    It contains a defect that fits, with its fading rim where there is room;
    of a larger defect it contains some part. Sizes are ``(width, height)``;
    that of the window is clipped to the image's.

    Returns:
        tuple: ``(x, y, w, h)`` of the window, inside the image.
    """
    window = []
    for start, length, total, wanted in zip(
        box[:2], box[2:], image_size, size
    ):
        wanted = min(wanted, total)
        # With the rim, if that fits.
        low, high = start - FEATHER - 1, start + length + FEATHER + 1
        if high - low <= wanted:
            first = _start(high - wanted, low, rng)
        elif length <= wanted:
            first = _start(start + length - wanted, start, rng)
        else:
            first = _start(start, start + length - wanted, rng)
        window.append((min(max(first, 0), total - wanted), wanted))
    (x, w), (y, h) = window
    return x, y, w, h


def fits_whole(box: Box, max_window: int) -> bool:
    """Whether a :func:`window_size` can contain a defect and its rim."""
    w, h = _least_sides(box)
    return w * h <= max_window**2


def window_size(
    box: Box, max_window: int, rng: np.random.RandomState
) -> tuple[int, int]:
    """Draws a window size for a defect with some background around it.

    Sides are multiples of 16, as few different sizes make large batches. The
    limit is one on the area, so that a window can contain a long scratch. Of
    a defect too large for that, it contains a part.

    Args:
        box (tuple): ``(x, y, w, h)`` of the defect in pixels.
        max_window (int): Side in pixels of the largest square window; no
            window has more pixels than it.
        rng (np.random.RandomState): To draw from.

    Returns:
        tuple[int, int]: ``(width, height)`` in pixels.
    """
    least = _least_sides(box)
    wide = [
        _round_up(length + 2 * (FEATHER + 1) + rng.randint(6, 22))
        for length in box[2:]
    ]
    area = max_window**2
    for w, h in (wide, least):
        if w * h <= area:
            return w, h
    short = min(*least, max_window // _STEP * _STEP)
    long = area // short // _STEP * _STEP
    return (short, long) if least[0] <= least[1] else (long, short)


def _least_sides(box: Box) -> tuple[int, int]:
    w, h = (_round_up(length + 2 * (FEATHER + 1)) for length in box[2:])
    return w, h


def _round_up(length: int) -> int:
    return -(-length // _STEP) * _STEP


def defect_alpha(
    window: Box, image_size: tuple[int, int], box: Box, mask: np.ndarray | None
) -> np.ndarray:
    """Alpha of the part of a defect that is in a window.

    Alpha is 0 along every edge of the window that is not an edge of the
    image, so that pasting the window leaves no seam. A defect that crosses
    such an edge is cut off further inside.

    Args:
        window (tuple): ``(x, y, w, h)`` inside the image.
        image_size (tuple[int, int]): ``(width, height)`` of the image.
        box (tuple): ``(x, y, w, h)`` of the defect.
        mask (np.ndarray | None): bool (image height, image width), the
            defect's pixels; None for the whole box.

    Returns:
        np.ndarray: uint8 (window height, window width).
    """
    x, y, w, h = window
    rim = FEATHER + 1
    left, top = (rim if x > 0 else 0), (rim if y > 0 else 0)
    right = rim if x + w < image_size[0] else 0
    bottom = rim if y + h < image_size[1] else 0
    inner = (x + left, y + top, w - left - right, h - top - bottom)
    bx, by, bw, bh = intersect(box, inner)
    region = np.zeros((h, w), bool)
    if bw > 0 and bh > 0:
        inside = np.s_[by - y : by - y + bh, bx - x : bx - x + bw]
        region[inside] = True if mask is None else crop(mask, (bx, by, bw, bh))
    return soft_alpha(region, FEATHER)


def outer_box(corners: Sequence[float], image_size: tuple[int, int]) -> Box:
    """A box in whole pixels, rounded outwards and clipped to the image.

    Corners are ``(x1, y1, x2, y2)``, the size is ``(width, height)``.

    Returns:
        tuple: ``(x, y, w, h)``; width or height is 0 outside the image.
    """
    x1, y1 = (math.floor(value) for value in corners[:2])
    x2, y2 = (math.ceil(value) for value in corners[2:])
    return intersect((x1, y1, x2 - x1, y2 - y1), (0, 0, *image_size))


def grow(box: Box, by: int, image_size: tuple[int, int]) -> Box:
    """A box enlarged on every side, clipped to the image."""
    x, y, w, h = box
    return intersect(
        (x - by, y - by, w + 2 * by, h + 2 * by), (0, 0, *image_size)
    )


def find_free_box(
    size: tuple[int, int],
    image_size: tuple[int, int],
    occupied: list[Box],
    rng: np.random.RandomState,
    tries: int = 30,
) -> Box | None:
    """Draws a box in a defect-free area, clear of all ``occupied`` ones.

    Sizes are ``(width, height)``; ``tries`` random places are tried.

    Returns:
        tuple | None: ``(x, y, w, h)``, its rim clear of ``occupied``; None
        if no try succeeded.
    """
    room = [total - length for total, length in zip(image_size, size)]
    if min(room) < 0:
        return None
    for _ in range(tries):
        free = (_start(0, room[0], rng), _start(0, room[1], rng), *size)
        around = grow(free, FEATHER + 1, image_size)
        if not any(overlaps(around, box) for box in occupied):
            return free
    return None
