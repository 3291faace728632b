"""Objects from corners, polygons, pixels and shares of an image's size."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from ..utils.errors import InputError
from .boxes import AnnotatedObject, Edges, Mask

# Shares have six decimals as a rule, so that pixels are good to hundredths.
_DECIMALS = 2

# Beyond any image, so that no memory is spent on a mask of that size.
_MAX_SIDE = 100_000


def number(value: Any) -> float:
    """A finite number from a file, NaN for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def image_size(width: Any, height: Any) -> tuple[int, int] | None:
    """(width, height) from a file, None unless they can be an image's."""
    sides = number(width), number(height)
    if not all(1 <= side <= _MAX_SIDE for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def box_object(
    name: str, corners: Sequence[float], text: str, **options: Any
) -> AnnotatedObject:
    """An object of two opposite corners, x, y, x, y, with exact edges.

    ``options`` are further fields of the object.
    """
    edges: Edges | None = None
    extent = None
    if len(corners) == 4 and all(map(math.isfinite, corners)):
        x1, y1, x2, y2 = corners
        edges = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
        # Decimals that a difference makes up.
        extent = round(abs(x2 - x1), 6), round(abs(y2 - y1), 6)
    return AnnotatedObject(name, edges, text, extent=extent, **options)


def polygon_object(
    name: str, polygons: Iterable[Sequence[float]], **options: Any
) -> AnnotatedObject:
    """An object of polygons x, y, x, y, ..., with the box around them.

    Those of fewer than three points, or with what is no number, are left
    out; without any, the object has no edges.
    """
    usable = tuple(
        tuple(polygon)
        for polygon in polygons
        if len(polygon) >= 6
        and len(polygon) % 2 == 0
        and all(map(math.isfinite, polygon))
    )
    xs = [x for polygon in usable for x in polygon[::2]]
    ys = [y for polygon in usable for y in polygon[1::2]]
    corners = [min(xs), min(ys), max(xs), max(ys)] if usable else []
    return box_object(
        name,
        corners,
        text=f'polygon {",".join(f"{corner:g}" for corner in corners)}',
        mask=Mask('', 0, usable) if usable else None,
        **options,
    )


def rotated(corners: Sequence[float], degrees: float) -> list[float]:
    """Corners x, y, x, y, ... of a box turned clockwise about its center.

    Args:
        corners (Sequence[float]): Left, top, right and bottom before.
        degrees (float): By which it is turned, as the image is seen.
    """
    left, top, right, bottom = corners
    x, y = (left + right) / 2, (top + bottom) / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned: list[float] = []
    for px, py in ((left, top), (right, top), (right, bottom), (left, bottom)):
        dx, dy = px - x, py - y
        turned.append(round(x + dx * cos - dy * sin, 2))
        turned.append(round(y + dx * sin + dy * cos, 2))
    return turned


def in_pixels(
    item: AnnotatedObject, width: int, height: int
) -> AnnotatedObject:
    """An object whose coordinates were shares of width and height.

    Edges that are outside by less than a pixel are rounded shares of the
    border of the image.
    """
    if item.edges is None:
        return item
    size = width, height, width, height
    edges = [
        round(share * side, _DECIMALS) for share, side in zip(item.edges, size)
    ]
    edges = [
        float(min(max(edge, 0), side)) if -1 < edge < side + 1 else edge
        for edge, side in zip(edges, size)
    ]
    left, top, right, bottom = edges
    mask = item.mask
    if mask is not None:
        polygons = tuple(
            tuple(
                round(share * side, _DECIMALS)
                for share, side in zip(polygon, size[:2] * len(polygon))
            )
            for polygon in mask.polygons
        )
        mask = replace(mask, polygons=polygons)
    return replace(
        item,
        edges=(left, top, right, bottom),
        extent=(round(right - left, 6), round(bottom - top, 6)),
        mask=mask,
    )


def scaled(
    objects: Sequence[AnnotatedObject],
    drawn: tuple[int, int],
    size: tuple[int, int],
) -> tuple[AnnotatedObject, ...] | None:
    """Objects that were drawn before the image was scaled, in its pixels.

    Args:
        objects (Sequence[AnnotatedObject]): As drawn.
        drawn (tuple[int, int]): Width and height of the image then.
        size (tuple[int, int]): Those of the image.

    Returns:
        tuple[AnnotatedObject, ...] | None: None where that is not certain:
        the sides differ by other factors, or an object does not fit into the
        image as it was drawn, so that its size may be wrong; and where a mask
        is in pixels.
    """
    if min(drawn) < 1:
        return None
    factors = size[0] / drawn[0], size[1] / drawn[1]
    # Rounding changes a side by less than a pixel.
    if any(abs(f * d - s) > 1 for f, d, s in zip(factors[::-1], drawn, size)):
        return None
    whole = np.array([*drawn, *drawn])
    found = []
    for item in objects:
        edges = np.array(item.edges or (0, 0, 0, 0))
        if (edges < -1).any() or (edges > whole + 1).any():
            return None
        if item.mask is not None and item.mask.counts:
            return None
        found.append(in_pixels(_in_shares(item, *drawn), *size))
    return tuple(found)


def _in_shares(
    item: AnnotatedObject, width: int, height: int
) -> AnnotatedObject:
    if item.edges is None:
        return item
    left, top, right, bottom = item.edges
    mask = item.mask
    if mask is not None:
        polygons = tuple(
            tuple(
                value / side
                for value, side in zip(points, (width, height) * len(points))
            )
            for points in mask.polygons
        )
        mask = replace(mask, polygons=polygons)
    edges = left / width, top / height, right / width, bottom / height
    return replace(item, edges=edges, mask=mask)


def rle_mask(segmentation: Any, size: tuple[int, int]) -> Mask:
    """A mask from a COCO RLE, compressed or not, of (width, height).

    Checked here, since pycocotools crashes on what is none.

    Raises:
        ValueError: If it is none, not of that size, or empty.
    """
    width, height = size
    given = segmentation.get('size')
    if given != [height, width]:
        raise InputError(f'RLE of size {given}, not {[height, width]}')
    counts = segmentation.get('counts')
    runs = counts if isinstance(counts, list) else _runs(str(counts))
    if not all(isinstance(run, int) and run >= 0 for run in runs):
        msg = 'RLE with a run that is no number of pixels'
        raise InputError(msg)
    if sum(runs) != width * height:
        msg = 'RLE does not cover the image'
        raise InputError(msg)
    if isinstance(counts, list):
        counts = _compressed(runs, size)
    return Mask(counts, sum(runs[1::2]), size=size)


def _compressed(runs: list[int], size: tuple[int, int]) -> str:
    """Compressed RLE of the runs of a mask of (width, height)."""
    from pycocotools.mask import frPyObjects

    width, height = size
    whole = dict(size=[height, width], counts=runs)
    return frPyObjects(whole, height, width)['counts'].decode()


def _runs(text: str) -> list[int]:
    """Runs of a compressed RLE: base 32, from the third on as differences.

    Raises:
        ValueError: If there are other characters, or too few.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise InputError(f'RLE with the character {character!r}')
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        msg = 'RLE that is cut short'
        raise InputError(msg)
    return runs


def run_lengths(pixels: np.ndarray) -> str:
    """Compressed RLE of COCO of a bool (H, W) mask."""
    # Here, because other formats do without.
    from pycocotools.mask import encode

    return encode(np.asfortranarray(pixels, np.uint8))['counts'].decode()


def _lengths_of_columns(columns: np.ndarray, left: int, width: int) -> str:
    """As :func:`run_lengths`, of a mask that is empty left and right of them.

    Runs go down column by column, so that the empty ones need not be looked
    at: a mask may have thousands of small pieces.
    """
    height = columns.shape[0]
    runs = _runs(run_lengths(columns))
    runs[0] += left * height
    rest = (width - left - columns.shape[1]) * height
    if len(runs) % 2:  # the last run is empty pixels
        runs[-1] += rest
    elif rest:
        runs.append(rest)
    return _compressed(runs, (width, height))


def pieces(marked: np.ndarray, name: str) -> tuple[AnnotatedObject, ...]:
    """Each connected piece of a bool (H, W) mask as an object of a class."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        marked.astype(np.uint8), connectivity=8
    )
    found = []
    # The first component is the background.
    for label, (left, top, width, height, area) in enumerate(
        stats[1:].tolist(), start=1
    ):
        columns = labels[:, left : left + width] == label
        mask = Mask(_lengths_of_columns(columns, left, labels.shape[1]), area)
        found.append(((top, left, top + height, left + width), mask))
    # The order of labels is OpenCV's affair, and may change.
    found.sort(key=lambda item: (item[0], item[1].counts))
    return tuple(
        AnnotatedObject(
            name=name,
            edges=(left, top, right, bottom),
            text=f'{left},{top},{right},{bottom}',
            mask=mask,
        )
        for (top, left, bottom, right), mask in found
    )
