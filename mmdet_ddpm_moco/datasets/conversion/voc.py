"""Reads one VOC XML file as it stands, judging nothing but its syntax."""

import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


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
        raise ValueError(msg)
    try:
        root = ElementTree.fromstring(_decoded(data))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ValueError(f'not well-formed: {error}') from error
    if root.tag != 'annotation':
        raise ValueError(f'starts with <{root.tag}>, not <annotation>')
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
