"""CVAT for images 1.1: one XML for many images."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...utils.errors import InputError
from ..boxes import AnnotatedObject, AnnotationFile, Mask
from ..folder_names import split_of
from ..layout import Records, SourceFile, SourceTree, find_all
from ..pairing import pair_by_name
from ..report import Report
from ..shapes import (
    box_object,
    image_size,
    number,
    polygon_object,
    rotated,
    run_lengths,
)
from .files import error_reason, parse_xml
from .many_images import in_order_of_splits, join_listed, split_of_list

TITLE = 'CVAT XML files (CVAT for images 1.1) with their images'
LAYOUT = """\
SRC holds images and CVAT XML files, in whatever folders:
  SRC/annotations.xml and SRC/images/         as CVAT exports a task
  SRC/annotations/train.xml and so on         with a split
The split is that of the subset of each image, of the name of the XML, or of
its folder. Images are found by their names, with or without folders. Boxes,
rotated ones too, polygons, ellipses and masks are read; lines and points are
dropped and reported. An image that is listed without objects is free of
defects, one that is not listed is unlabeled.
"""

pair = pair_by_name
NAME = 'CVAT'
NOUN = 'xml'
MIN_AREA = 0  # a mask is an object, however small


def find(src: Path, dst: Path | None = None) -> SourceTree:
    """Finds images and XML files; see :func:`find_all`."""
    return find_all(src, dst, '.xml')


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the images that the XML files list; see :func:`join_listed`.

    Raises:
        ValueError: If none of the files is of CVAT.
    """
    known = 0
    listed: list[list[tuple[SourceFile, AnnotationFile]]] = []
    for file in in_order_of_splits(tree.annotations):
        try:
            found = list(_images(file))
        except (OSError, ValueError) as error:
            report.add('broken_xml', file.label, error_reason(error))
        else:
            known += 1
            listed.append(found)
    if not known:
        raise InputError(
            f'none of {len(tree.annotations)} XML files is of CVAT for '
            f'images, {tree.annotations[0].label} for one; export the task '
            'from CVAT as "CVAT for images 1.1"'
        )
    return join_listed(listed, tree.images, report)


def _images(file: SourceFile) -> Iterator[tuple[SourceFile, AnnotationFile]]:
    root = parse_xml(file.path.read_bytes())
    if root.tag != 'annotations':
        raise InputError(f'starts with <{root.tag}>, not <annotations>')
    if root.find('track') is not None:
        msg = 'has tracks of a video; export it as "CVAT for images 1.1"'
        raise InputError(msg)
    for image in root.iter('image'):
        name = image.get('name', '').replace('\\', '/')
        size = image_size(image.get('width'), image.get('height'))
        record = SourceFile(
            path=file.path.parent / name,
            root=split_of(image.get('subset', '')) or split_of_list(file),
            folder=file.folder,
            label=f'{name} in {file.label}',
        )
        objects = tuple(
            _object(shape, size) for shape in image if shape.tag != 'tag'
        )
        yield record, AnnotationFile(None, size, objects)


def _object(
    shape: ElementTree.Element, size: tuple[int, int] | None
) -> AnnotatedObject:
    name = shape.get('label', '')
    if shape.tag == 'polygon':
        points = shape.get('points', '').replace(';', ',').split(',')
        return polygon_object(name, [list(map(number, points))])
    if shape.tag == 'mask':
        return _mask(shape, name, size)
    angle = number(shape.get('rotation', 0))
    if shape.tag == 'ellipse':
        return _ellipse(shape, name, math.radians(angle))
    if shape.tag != 'box':
        # A line or points have a place but no extent: an empty box.
        return box_object(name, [0, 0, 0, 0], shape.tag)
    corners = _numbers(shape, 'xtl', 'ytl', 'xbr', 'ybr')
    if angle:
        return polygon_object(name, [rotated(corners, angle)])
    return box_object(name, corners, ','.join(f'{x:g}' for x in corners))


def _numbers(shape: ElementTree.Element, *keys: str) -> list[float]:
    return [number(shape.get(key)) for key in keys]


def _ellipse(
    shape: ElementTree.Element, name: str, angle: float
) -> AnnotatedObject:
    """The box around an ellipse that was turned by an angle in radians."""
    x, y, rx, ry = _numbers(shape, 'cx', 'cy', 'rx', 'ry')
    cos, sin = math.cos(angle), math.sin(angle)
    width = round(math.hypot(rx * cos, ry * sin), 2)
    height = round(math.hypot(rx * sin, ry * cos), 2)
    corners = [x - width, y - height, x + width, y + height]
    return box_object(name, corners, f'ellipse {x:g},{y:g},{rx:g},{ry:g}')


def _mask(
    shape: ElementTree.Element, name: str, size: tuple[int, int] | None
) -> AnnotatedObject:
    """A mask, whose run lengths go row by row within its box."""
    left, top, width, height = _numbers(
        shape, 'left', 'top', 'width', 'height'
    )
    corners = [left, top, left + width, top + height]
    text = ','.join(f'{value:g}' for value in corners)
    item = box_object(name, corners, f'mask {text}')
    runs = list(map(number, shape.get('rle', '').split(',')))
    whole = np.zeros((size[1], size[0]) if size else (1, 1), bool)
    fits = sum(runs) == width * height <= whole.size
    if item.edges and min(runs) >= 0 and fits:
        marked = np.arange(len(runs)) % 2 == 1
        piece = np.repeat(marked, np.array(runs, int))
        piece = piece.reshape(int(height), int(width))
        x, y = int(left), int(top)
        target = whole[y : y + len(piece), x : x + piece.shape[1]]
        if target.shape == piece.shape:
            target[:] = piece
    # One that marks nothing will be reported as unusable.
    mask = Mask(run_lengths(whole), int(whole.sum()), size=size)
    return replace(item, mask=mask)
