"""COCO: one JSON file for many images (Lin et al., ECCV 2014)."""

import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...utils.errors import InputError
from ..boxes import AnnotatedObject, AnnotationFile, Edges
from ..folder_names import UNLABELED
from ..layout import Records, SourceFile, SourceTree, find_all
from ..pairing import pair_by_name
from ..report import Report
from ..shapes import (
    image_size,
    number,
    polygon_object,
    rle_mask,
    rotated,
)
from .files import error_reason
from .many_images import in_order_of_splits, join_listed, split_of_list

pair = pair_by_name
TITLE = 'COCO json files with their images'
LAYOUT = """\
SRC holds images and COCO json files, in whatever folders:
  SRC/annotations/instances_train2017.json, SRC/train2017/   and val, test
  SRC/{train,valid,test}/_annotations.coco.json              beside the images
  SRC/images/ and SRC/annotations.json                       without a split
The split of a json is in its name or that of its folder. Images are found by
their file_name, with or without its folders. Polygons, RLE masks and iscrowd
are kept; only where all objects of a json are RLE masks with iscrowd, as CVAT
exports those drawn with its brush, they are read as objects. An image that is
listed without objects is free of defects, one that is not listed is unlabeled.
"""

NAME = 'COCO'
NOUN = 'json'
MIN_AREA = 0  # a mask is an object, however small

# Boxes that must extend beyond their images, if they were width and height,
# before all are taken for corners without an area that says so.
_MIN_BEYOND = 10

# More make no id; Python refuses to read thousands as a number.
_MAX_DIGITS = 100


def find(src: Path, dst: Path | None = None) -> SourceTree:
    """Finds images and JSON files; see :func:`find_all`."""
    return find_all(src, dst, '.json')


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the images that the JSON files list, with their objects.

    Files whose name has the word ``unlabeled`` list images without
    annotation, and none of them is in the result. See :func:`join_listed` for
    images that several files list.

    Raises:
        ValueError: If none of the files is a COCO JSON.
    """
    known = 0
    listed: list[list[tuple[SourceFile, AnnotationFile]]] = []
    for file in in_order_of_splits(tree.annotations):
        try:
            content = json.loads(file.path.read_bytes())
            if not _is_coco(content):
                if file.folder:  # not settings or reports at the top
                    report.add('stray_file', file.label, 'no COCO json')
                continue
            known += 1
            found = _images(content, file, report)
        except (OSError, ValueError, RecursionError) as error:
            reason = 'nested too deeply'
            if not isinstance(error, RecursionError):
                reason = error_reason(error)
            report.add('broken_json', file.label, reason)
            continue
        if not UNLABELED.search(file.path.stem):
            listed.append(found)
    if not known:
        raise InputError(
            f'none of {len(tree.annotations)} json files is a COCO json, '
            f'{tree.annotations[0].label} for one; it needs images, '
            'annotations and categories'
        )
    return join_listed(listed, tree.images, report)


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list)
        for key in ('images', 'annotations', 'categories')
    )


def _images(
    content: Mapping[str, Any], file: SourceFile, report: Report
) -> list[tuple[SourceFile, AnnotationFile]]:
    """Each image that one file lists, with its objects."""
    try:
        names: dict[Any, str] = {}
        for entry in content['categories']:
            number_of, name = _plain_id(entry['id']), str(entry['name'])
            if names.setdefault(number_of, name) != name:
                raise InputError(
                    f'category id {number_of} is {names[number_of]} and {name}'
                )
        images = [
            (
                _plain_id(entry['id']),
                entry['file_name'].replace('\\', '/'),
                image_size(entry.get('width'), entry.get('height')),
            )
            for entry in content['images']
        ]
        sizes = {image: size for image, _, size in images}
        annotations = defaultdict(list)
        for entry in content['annotations']:
            annotations[_plain_id(entry['image_id'])].append(entry)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f'an entry lacks {error}, or has it in another form'
        ) from error
    lost = annotations.keys() - sizes.keys()
    if lost:
        count = sum(len(annotations[image]) for image in lost)
        if len(lost) == len(annotations) and images:
            # Its images would be free of defects.
            raise InputError(
                f'none of {count} objects is of an image that it lists; make '
                'each image_id the id of an image'
            )
        report.add('object_without_image', file.label, f'{count} objects')
    brushed = _are_brushed(content['annotations'])
    if brushed:
        report.add('crowds_are_objects', file.label)
    corners = _are_corners(content['annotations'], sizes)
    if corners:
        report.add('boxes_are_corners', file.label)
    users = Counter(image for image, _ in {i[:2] for i in images})
    found = []
    for image, name, size in images:
        # Not resolved: it need not exist.
        path = Path(os.path.normpath(file.path.parent / name))
        record = SourceFile(
            path=path,
            root=split_of_list(file),
            folder=file.folder,
            label=f'{name} in {file.label}',
        )
        if users[image] > 1:
            report.add('shared_image_id', record.label, f'id {image}')
            continue
        objects = []
        for entry in annotations.get(image, ()):
            item, problem = _object(entry, names, size, corners)
            if brushed and _is_rle(entry):
                item = replace(item, crowd=False)
            objects.append(item)
            if problem:
                report.add('unusable_mask', record.label, problem)
        found.append((record, AnnotationFile(None, size, tuple(objects))))
    return found


def _plain_id(given: Any) -> Any:
    """An id as an integer, if it is one in another form: 7.0 or '7'."""
    if isinstance(given, str) and given.isascii() and given.isdigit():
        return int(given) if len(given) <= _MAX_DIGITS else given
    if isinstance(given, float) and given.is_integer():
        return int(given)
    return given


def _bbox(entry: Mapping[str, Any]) -> list[float]:
    """The four numbers of a box, or NaN."""
    given = entry.get('bbox')
    given = (
        given if isinstance(given, list) and len(given) == 4 else [None] * 4
    )
    return list(map(number, given))


def _are_brushed(annotations: Iterable[Mapping[str, Any]]) -> bool:
    """Whether crowd regions are objects, drawn with the brush of CVAT.

    It exports those as RLE with iscrowd. So are crowds of COCO, but where
    there are crowds there are objects, too.
    """
    entries = list(annotations)
    return all(map(_is_crowd, entries)) and any(map(_is_rle, entries))


def _is_crowd(entry: Mapping[str, Any]) -> bool:
    return number(entry.get('iscrowd', 0)) == 1


def _is_rle(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get('segmentation'), dict)


def _are_corners(
    annotations: Iterable[Mapping[str, Any]],
    sizes: Mapping[Any, tuple[int, int] | None],
) -> bool:
    """Whether all boxes are certainly x, y, x, y and not x, y, w, h.

    They must all be right as corners inside of their image. Besides, of half
    of them the area is that of corners, and of none that of width and height,
    or at least ten and half of all would extend beyond their images.
    """
    count = beyond = agree = 0
    for entry in annotations:
        x, y, third, fourth = _bbox(entry)
        size = sizes.get(_plain_id(entry['image_id']))
        if x != x or size is None:
            continue
        if not (x < third <= size[0] and y < fourth <= size[1]):
            return False
        area = number(entry.get('area'))
        as_corners = (third - x) * (fourth - y)
        as_size = third * fourth
        tolerance = 0.01 * as_corners
        if abs(as_size - as_corners) > 2 * tolerance:
            if abs(area - as_size) <= tolerance:
                return False
            agree += abs(area - as_corners) <= tolerance
        beyond += x + third > size[0] + 1 or y + fourth > size[1] + 1
        count += 1
    half = max(count / 2, 1)
    return agree >= half or beyond >= max(half, _MIN_BEYOND)


def _object(
    entry: Mapping[str, Any],
    names: Mapping[Any, str],
    size: tuple[int, int] | None,
    corners: bool,
) -> tuple[AnnotatedObject, str]:
    """An object, and what is wrong with its mask, '' if nothing is."""
    x, y, third, fourth = bbox = _bbox(entry)
    text = ','.join(f'{value:g}' for value in bbox)
    edges: Edges | None = (
        (x, y, third, fourth) if corners else (x, y, x + third, y + fourth)
    )
    extent = (third - x, fourth - y) if corners else (third, fourth)
    angle = _rotation(entry)
    category = _plain_id(entry.get('category_id'))
    name = names.get(category, '') if isinstance(category, int | str) else ''
    crowd = _is_crowd(entry)
    segmentation = entry.get('segmentation')
    polygons = _polygons(segmentation)
    if angle and edges and not segmentation:
        polygons = [rotated(edges, angle)]
    outline = polygon_object(name, polygons, crowd=crowd)
    if any(value != value for value in bbox) or (angle and not segmentation):
        return outline, ''  # the box around the polygons, if any
    mask, problem = outline.mask, ''
    if isinstance(segmentation, dict):
        try:
            if size is None:
                msg = 'RLE of an image without size'
                raise InputError(msg)
            mask = rle_mask(segmentation, size)
        except ValueError as error:
            problem = f'{name} {text}: {error}'
    elif segmentation and mask is None:
        problem = f'{name} {text}: no polygon of three points'
    item = AnnotatedObject(
        name, edges, text, mask=mask, crowd=crowd, extent=extent
    )
    return item, problem


def _rotation(entry: Mapping[str, Any]) -> float:
    """Degrees by which a box was turned; CVAT writes it as it was before."""
    attributes = entry.get('attributes')
    given = attributes.get('rotation') if isinstance(attributes, dict) else 0
    angle = number(given)
    return angle if math.isfinite(angle) else 0.0


def _polygons(segmentation: Any) -> list[Sequence[float]]:
    if not isinstance(segmentation, list):
        return []
    if segmentation and not isinstance(segmentation[0], list):
        segmentation = [segmentation]  # some leave out the outer list
    return [
        [number(value) for value in polygon]
        for polygon in segmentation
        if isinstance(polygon, list)
    ]
