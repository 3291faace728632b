"""Where a window lies and what part of it is the defect.

Training the generator and synthesizing with it share these functions, so
that it is asked for what it was trained on.
"""

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

    A defect that fits is wholly inside, with its fading rim where there is
    room; of a larger one the window shows some part.

    Args:
        box (tuple): ``(x, y, w, h)`` of the defect, inside the image.
        image_size (tuple[int, int]): ``(width, height)`` of the image.
        size (tuple[int, int]): ``(width, height)`` of the window; clipped
            to the image's.
        rng (np.random.RandomState): Source of randomness.

    Returns:
        tuple: ``(x, y, w, h)`` of the window, inside the image.
    """
    window = []
    for start, length, total, wanted in zip(
        box[:2], box[2:], image_size, size
    ):
        wanted = min(wanted, total)
        # The rim belongs to what should be inside.
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
    """Whether a window holds all of a defect and its rim.

    Args:
        box (tuple): ``(x, y, w, h)`` of the defect in pixels.
        max_window (int): As in :func:`window_size`.
    """
    w, h = _least_sides(box)
    return w * h <= max_window**2


def window_size(
    box: Box, max_window: int, rng: np.random.RandomState
) -> tuple[int, int]:
    """Draws a window size for a defect: room around it, in steps of 16.

    Few different sizes make large batches. What is limited is the area, so
    that a long scratch is seen whole. Of a defect too large for that the
    window shows a part.

    Args:
        box (tuple): ``(x, y, w, h)`` of the defect in pixels.
        max_window (int): Side in pixels of the largest square window; no
            window has more pixels than it.
        rng (np.random.RandomState): Source of randomness.

    Returns:
        tuple[int, int]: ``(width, height)`` in pixels.
    """
    least = _least_sides(box)
    roomy = [
        _round_up(length + 2 * (FEATHER + 1) + rng.randint(6, 22))
        for length in box[2:]
    ]
    area = max_window**2
    for w, h in (roomy, least):
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
    """Alpha of the part of a defect that a window shows.

    Alpha is 0 along every edge at which the window ends inside the image, so
    that putting the window back leaves no seam. Where the defect runs over
    such an edge, only the part further inside counts.

    Args:
        window (tuple): ``(x, y, w, h)`` inside the image.
        image_size (tuple[int, int]): ``(width, height)`` of the image.
        box (tuple): ``(x, y, w, h)`` of the defect.
        mask (np.ndarray | None): bool (image height, image width), the
            defect's pixels, or None: then the whole box is taken.

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


def grow(box: Box, by: int, image_size: tuple[int, int]) -> Box:
    """A box enlarged on every side, clipped to the image."""
    x, y, w, h = box
    return intersect(
        (x - by, y - by, w + 2 * by, h + 2 * by), (0, 0, *image_size)
    )


def find_free_box(
    size: tuple[int, int],
    image_size: tuple[int, int],
    taken: list[Box],
    rng: np.random.RandomState,
    tries: int = 30,
) -> Box | None:
    """Looks for a place on free ground, clear of every labeled box.

    Args:
        size (tuple[int, int]): ``(width, height)`` of what is to be placed.
        image_size (tuple[int, int]): ``(width, height)`` of the image.
        taken (list): Boxes to stay clear of.
        rng (np.random.RandomState): Source of randomness.
        tries (int): Random places tried. Defaults to 30.

    Returns:
        tuple | None: ``(x, y, w, h)``, its rim clear of ``taken``; None if
        no try succeeded.
    """
    room = [total - length for total, length in zip(image_size, size)]
    if min(room) < 0:
        return None
    for _ in range(tries):
        place = (_start(0, room[0], rng), _start(0, room[1], rng), *size)
        around = grow(place, FEATHER + 1, image_size)
        if not any(overlaps(around, box) for box in taken):
            return place
    return None
