"""Labelme: one JSON per image, with shapes of points (Wada, 2016)."""

import base64
import binascii
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any

import cv2
import numpy as np

from ...utils.errors import InputError
from ...utils.image_files import decode_image
from ..boxes import AnnotatedObject, AnnotationFile, Mask
from ..folder_names import is_defect_free, split_in
from ..layout import Records, SourceTree, find_all
from ..pairing import inner_folder, may_be_of, pair_by_stem
from ..report import Report
from ..shapes import (
    box_object,
    image_size,
    number,
    polygon_object,
    run_lengths,
)
from .files import read_files

TITLE = 'images with labelme JSON files'
LAYOUT = """\
SRC holds images and a JSON for each of the same stem, in whatever folders:
  SRC/7.jpg and 7.json                        side by side
  SRC/images/7.jpg and SRC/labels/7.json      apart
  SRC/{train,val,test}/...                    with a split
Rectangles and circles become boxes; polygons, rotated boxes and masks become
boxes with a mask; lines and points are dropped and reported. A JSON without
shapes marks its image as free of defects, and so does a folder called free,
good, ok, normal, clean, no_defect, defect_free or the like; other images
without a JSON are unlabeled. Use --rename for labels in another language.
"""

pair = pair_by_stem
NAME = 'labelme'
NOUN = 'json'
MIN_AREA = 0  # a polygon is an object, however small


def find(src: Path, dst: Path | None = None) -> SourceTree:
    """Finds images and JSON files; see :func:`find_all`."""
    tree = find_all(src, dst, '.json')
    files_of = defaultdict(list)
    for file in tree.annotations:
        files_of[file.stem].append(file)
    folders = {inner_folder(image) for image in tree.images}
    images = []
    for image in tree.images:
        free = any(map(is_defect_free, image.folder.split('/')))
        annotated = any(
            may_be_of(image, file, folders) for file in files_of[image.stem]
        )
        kind = '' if free and not annotated else None
        images.append(replace(image, root=split_in(image.label), kind=kind))
    files = [
        replace(file, root=split_in(file.label)) for file in tree.annotations
    ]
    return SourceTree(images, files, tree.strays)


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the JSON files; see :func:`read_files`.

    Raises:
        ValueError: If none of them is of labelme.
    """
    records = read_files(tree.annotations, parse, NOUN, report)
    if not any(records.values()):
        raise InputError(
            f'none of {len(records)} json files is of labelme, '
            f'{tree.annotations[0].label} for one; it needs a list of shapes'
        )
    for file, record in records.items():
        if record is not None and record.guessed_encoding:
            report.add('not_utf8', file.label)
    return records


def parse(data: bytes, kind: str | None = None) -> AnnotationFile:
    """Parses a labelme JSON, which names its classes itself.

    The image that it may contain is ignored.

    Raises:
        ValueError: If it is empty, no JSON, or not of labelme.
    """
    if not data.strip():
        msg = 'the file is empty'
        raise InputError(msg)
    guessed = False
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError:
        # What labelme wrote on a Chinese Windows. Other encodings may pass,
        # with other letters.
        text, guessed = data.decode('gb18030'), True
    try:
        content = json.loads(text)
    except RecursionError as error:
        msg = 'nested too deeply'
        raise InputError(msg) from error
    shapes = content.get('shapes') if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        msg = 'no JSON of labelme: it has no list of shapes'
        raise InputError(msg)
    size = image_size(content.get('imageWidth'), content.get('imageHeight'))
    # Paths are those of the machine of whoever drew the shapes.
    named = PureWindowsPath(str(content.get('imagePath') or '')).name
    objects = tuple(
        _object(shape, size) for shape in shapes if isinstance(shape, dict)
    )
    return AnnotationFile(
        named or None, size, objects, guessed_encoding=guessed
    )


def _object(
    shape: Mapping[str, Any], size: tuple[int, int] | None
) -> AnnotatedObject:
    name = '' if shape.get('label') is None else str(shape['label'])
    kind = shape.get('shape_type') or 'polygon'
    given = shape.get('points')
    points = [
        (number(point[0]), number(point[1]))
        for point in (given if isinstance(given, list) else ())
        if isinstance(point, list) and len(point) == 2
    ]
    flat = [value for point in points for value in point]
    if kind in ('polygon', 'rotation'):
        if len(points) > 2:
            return polygon_object(name, [flat])
    elif kind in ('rectangle', 'mask'):
        if len(points) > 1 and all(map(math.isfinite, flat)):
            item = box_object(name, _around(points), kind)
            text = ','.join(f'{value:g}' for value in item.edges or ())
            item = replace(item, text=text)
            if kind == 'mask':
                return _with_mask(item, shape.get('mask'), size)
            return item
    elif kind == 'circle' and len(points) == 2:
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        corners = [x - radius, y - radius, x + radius, y + radius]
        return box_object(name, corners, f'circle {x:g},{y:g},{radius:g}')
    elif points and all(map(math.isfinite, flat)):
        # A line or point has a place but no extent, and is an empty box.
        x, y = points[0]
        return box_object(
            name, [x, y, x, y], f'{kind} of {len(points)} points'
        )
    return AnnotatedObject(name, None, kind)


def _around(points: Sequence[tuple[float, float]]) -> list[float]:
    """Corners of the box around points."""
    xs, ys = zip(*points)
    return [min(xs), min(ys), max(xs), max(ys)]


def _with_mask(
    item: AnnotatedObject, encoded: Any, size: tuple[int, int] | None
) -> AnnotatedObject:
    """An object with the mask of its box, a PNG in base64.

    Its corners are the first and the last pixel. A mask that cannot be read
    has no pixel, and will be reported as unusable.
    """
    assert item.edges is not None
    left, top, right, bottom = (int(edge) for edge in item.edges)
    edges = float(left), float(top), right + 1.0, bottom + 1.0
    item = replace(item, edges=edges, extent=(edges[2] - left, edges[3] - top))
    whole = np.zeros((size[1], size[0]) if size else (1, 1), bool)
    try:
        data = base64.b64decode(str(encoded))
        piece = decode_image(data, cv2.IMREAD_GRAYSCALE)
        whole[top : bottom + 1, left : right + 1] = piece > 0
    except (binascii.Error, TypeError, ValueError):
        whole[:] = False
    mask = Mask(run_lengths(whole), int(whole.sum()), size=size)
    return replace(item, mask=mask)
