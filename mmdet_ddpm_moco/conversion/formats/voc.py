"""Turns VOC objects into the boxes that training may trust."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence, Set
from dataclasses import dataclass

from ...utils.errors import InputError


@dataclass(frozen=True)
class VocObject:
    """One ``<object>``.

    Attributes:
        name (str): Its class, '' if it has none.
        corners (tuple[float, ...], optional): xmin, ymin, xmax, ymax as in
            the file, 1-based and inclusive pixels. None if any of them is
            missing or not a finite number.
    """

    name: str
    corners: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class VocFile:
    """What a VOC XML file says.

    Attributes:
        filename (str): Text of ``<filename>``, '' if there is none.
        size (tuple[int, int], optional): Width and height in pixels, None if
            not given.
        objects (tuple[VocObject, ...]): In the order of the file.
    """

    filename: str
    size: tuple[int, int] | None
    objects: tuple[VocObject, ...]


def parse_voc(data: bytes) -> VocFile:
    """Parses a VOC XML file.

    Args:
        data (bytes): Contents of the file.

    Returns:
        VocFile: What it says.

    Raises:
        ValueError: If it is empty, no XML, or no VOC annotation.
    """
    if not data.strip():
        msg = 'the file is empty'
        raise InputError(msg)
    try:
        root = ElementTree.fromstring(_decoded(data))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f'not well-formed: {error}') from error
    if root.tag != 'annotation':
        raise InputError(f'starts with <{root.tag}>, not <annotation>')
    return VocFile(
        filename=_text(root, 'filename'),
        size=_size(root),
        objects=tuple(
            VocObject(name=_text(item, 'name'), corners=_corners(item))
            for item in root.findall('object')
        ),
    )


def _decoded(data: bytes) -> bytes | str:
    """Text, where the declared encoding (GBK, say) is beyond expat."""
    declared = re.match(rb'<\?xml[^>]*encoding=["\']([\w.-]+)', data)
    return data.decode(declared[1].decode()) if declared else data


def _text(element: ElementTree.Element, tag: str) -> str:
    return (element.findtext(tag) or '').strip()


def _number(element: ElementTree.Element, tag: str) -> float:
    try:
        return float(_text(element, tag))
    except ValueError:
        return math.nan


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    size = [_number(root, f'size/{side}') for side in ('width', 'height')]
    if not all(map(math.isfinite, size)):
        return None
    return int(size[0]), int(size[1])


def _corners(
    item: ElementTree.Element,
) -> tuple[float, float, float, float] | None:
    tags = ('xmin', 'ymin', 'xmax', 'ymax')
    corners = tuple(_number(item, f'bndbox/{tag}') for tag in tags)
    return corners if all(map(math.isfinite, corners)) else None


@dataclass(frozen=True)
class Box:
    """A box with its class.

    Attributes:
        name (str): Class.
        xywh (tuple[float, ...]): Left, top, width and height in pixels,
            0-based, inside the image.
    """

    name: str
    xywh: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        """Width times height in square pixels."""
        return self.xywh[2] * self.xywh[3]


def clean_boxes(
    objects: Sequence[VocObject],
    width: int,
    height: int,
    stem: str,
    classes: Set[str],
) -> tuple[list[Box], list[tuple[str, str]]]:
    """Keeps the boxes that make sense and says what was odd.

    Corners are 1-based and inclusive, so a box begins at ``xmin - 1`` and is
    ``xmax - xmin + 1`` wide. A box whose ``xmax`` is not above its ``xmin``
    has no extent for whoever drew it and is dropped, and likewise in y.

    Args:
        objects (Sequence[VocObject]): Objects of one image.
        width (int): Width of the image in pixels.
        height (int): Height of the image in pixels.
        stem (str): Name of the annotation without suffix; stands in for a
            missing class (``pitted_surface_3`` is a ``pitted_surface``).
        classes (Set[str]): Known classes.

    Returns:
        tuple[list[Box], list[tuple[str, str]]]: The boxes in the order of
        the objects, and (kind, detail) of each finding.
    """
    boxes: list[Box] = []
    odd: list[tuple[str, str]] = []
    for number, item in enumerate(objects, start=1):
        name = item.name
        if not name:
            name = stem.rsplit('_', 1)[0]
            if name not in classes:
                odd.append(('object_without_class', f'object {number}'))
                continue
            odd.append(('class_from_stem', f'object {number}: {name}'))
        if name not in classes:
            odd.append(('unknown_class', name))
            continue
        if item.corners is None:
            odd.append(('unusable_coordinates', f'object {number}'))
            continue
        xmin, ymin, xmax, ymax = item.corners
        shown = f'{name} {xmin:g},{ymin:g},{xmax:g},{ymax:g}'
        if xmax <= xmin or ymax <= ymin:
            odd.append(('empty_box', shown))
            continue
        left, top = max(xmin - 1, 0.0), max(ymin - 1, 0.0)
        right, bottom = min(xmax, float(width)), min(ymax, float(height))
        if left >= right or top >= bottom:
            odd.append(('box_outside_image', shown))
            continue
        if (left, top, right, bottom) != (xmin - 1, ymin - 1, xmax, ymax):
            odd.append(('clipped_box', f'{shown} in {width}x{height}'))
        box = Box(name, (left, top, right - left, bottom - top))
        if box in boxes:
            odd.append(('duplicate_box', shown))
            continue
        boxes.append(box)
    return boxes, odd


def main_class(boxes: Sequence[Box]) -> str | None:
    """Class that covers most of an image.

    Args:
        boxes (Sequence[Box]): Boxes of one image.

    Returns:
        str, optional: The class with the largest sum of areas; of equal ones
        the first by name. None without boxes.
    """
    areas: dict[str, float] = {}
    for box in boxes:
        areas[box.name] = areas.get(box.name, 0.0) + box.area
    return min(areas, key=lambda name: (-areas[name], name), default=None)
