"""Annotations as formats give them, and the boxes that training may trust."""

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

Edges = tuple[float, float, float, float]
Findings = list[tuple[str, str]]


@dataclass(frozen=True)
class Mask:
    """Pixels of an object, as compressed RLE of COCO or as polygons."""

    counts: str  # of the RLE, '' if there are polygons
    area: int  # in pixels; of polygons 0 until the image's size is known
    # x, y, x, y, ... in pixels, 0-based, at least three points each.
    polygons: tuple[tuple[float, ...], ...] = ()
    # (width, height) that the RLE is for, None if that of the image.
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of an annotation file."""

    name: str  # its class, '' if it has none
    # Left, top, right and bottom in pixels, 0-based, right and bottom
    # exclusive; they may be outside the image. None if any is missing or not
    # a finite number.
    edges: Edges | None
    text: str  # the coordinates as in the file, for reports
    mask: Mask | None = None
    crowd: bool = False  # a region with many objects, not one
    # Width and height where the format gives them: a difference of edges
    # has an error of rounding.
    extent: tuple[float, float] | None = None
    difficult: bool = False  # hard to see, as those say who annotated it


@dataclass(frozen=True)
class AnnotationFile:
    """The annotations of one image."""

    # Of the image, as in the file: '' if there is none, None in formats that
    # have none.
    filename: str | None
    size: tuple[int, int] | None  # (width, height), None if not given
    objects: tuple[AnnotatedObject, ...]  # in the order of the file
    # Coordinates are shares of the width and height of the image.
    relative: bool = False
    # Class names may be wrong: the text has an encoding that was guessed.
    guessed_encoding: bool = False


@dataclass(frozen=True)
class Box:
    """A box with its class."""

    name: str
    # Left, top, width and height in pixels, 0-based, inside the image.
    xywh: tuple[float, float, float, float]
    mask: Mask | None = None
    crowd: bool = False

    @property
    def area(self) -> float:
        """Width times height in square pixels."""
        return self.xywh[2] * self.xywh[3]


def clean_boxes(
    objects: Sequence[AnnotatedObject],
    width: int,
    height: int,
    stem: str,
    classes: Set[str],
    min_area: float = 0,
) -> tuple[list[Box], Findings]:
    """Keeps the boxes that are valid, and reports the others.

    The objects are those of one image of ``width`` x ``height`` pixels. The
    name of the annotation file, ``stem``, replaces a missing class
    (``pitted_surface_3`` is a ``pitted_surface``). Masks of fewer pixels than
    ``min_area`` are no objects but specks.

    Returns:
        tuple[list[Box], list[tuple[str, str]]]: The boxes in the order of
        the objects, and (kind, detail) of each finding.
    """
    boxes: list[Box] = []
    findings: Findings = []
    for number, item in enumerate(objects, start=1):
        name = item.name
        if not name:
            name = stem.rsplit('_', 1)[0]
            if name not in classes:
                findings.append(('object_without_class', f'object {number}'))
                continue
            findings.append(('class_from_stem', f'object {number}: {name}'))
        if name not in classes:
            findings.append(('unknown_class', name))
            continue
        if item.edges is None:
            findings.append(('unusable_coordinates', f'object {number}'))
            continue
        shown = f'{name} {item.text}'
        mask = item.mask
        if mask and not mask.polygons and mask.area < min_area:
            findings.append(('speck', f'{shown}: {mask.area} pixels'))
            continue
        left, top, right, bottom = item.edges
        if right <= left or bottom <= top:
            findings.append(('empty_box', shown))
            continue
        left, top = max(left, 0.0), max(top, 0.0)
        right, bottom = min(right, float(width)), min(bottom, float(height))
        if left >= right or top >= bottom:
            findings.append(('box_outside_image', shown))
            continue
        edges = left, top, right, bottom
        if _is_sliver(item.edges, edges):
            findings.append(('sliver', f'{shown} in {width}x{height}'))
            continue
        clipped = edges != item.edges
        if clipped:
            findings.append(('clipped_box', f'{shown} in {width}x{height}'))
        extent = right - left, bottom - top
        if item.extent is not None and not clipped:
            extent = item.extent
        if min(extent) < 1:
            findings.append(('thin_box', shown))
            left, wide = _widened(left, extent[0], width)
            top, high = _widened(top, extent[1], height)
            extent = wide, high
        if mask and not (mask := usable_mask(mask, width, height)):
            findings.append(('unusable_mask', shown))
        box = Box(name, (left, top, *extent), mask, item.crowd)
        if box in boxes:
            findings.append(('duplicate_box', shown))
            continue
        if item.difficult:
            findings.append(('difficult_object', shown))
        if box.crowd:
            findings.append(('crowd_region', shown))
        boxes.append(box)
    return boxes, findings


def _is_sliver(given: Edges, clipped: Edges) -> bool:
    """Whether clipping has left less than a pixel in x or in y."""
    return any(
        clipped[end] - clipped[start] < 1
        and (given[start], given[end]) != (clipped[start], clipped[end])
        for start, end in ((0, 2), (1, 3))
    )


def _widened(start: float, length: float, side: int) -> tuple[float, float]:
    """Start and length of at least 1 pixel inside an image's side."""
    if length >= 1:
        return start, length
    return min(max(start + (length - 1) / 2, 0.0), side - 1.0), 1.0


def usable_mask(mask: Mask, width: int, height: int) -> Mask | None:
    """A mask with its area, for an image of that size.

    None if it is for another size, covers no pixel of it, or has a point
    further outside than the image is large: its outline would take long.
    """
    if mask.size not in (None, (width, height)):
        return None
    if not mask.polygons:
        return mask if mask.area else None
    # Here, because boxes do without.
    from pycocotools.mask import area, frPyObjects, merge

    polygons = [list(polygon) for polygon in mask.polygons]
    side = max(width, height)
    if any(not -side <= p <= 2 * side for part in polygons for p in part):
        return None
    pixels = int(area(merge(frPyObjects(polygons, height, width))))
    return replace(mask, area=pixels) if pixels else None


def main_class(boxes: Sequence[Box]) -> str | None:
    """Class that covers most of an image.

    Of classes with equal sums of areas the first by name; None without boxes.
    """
    areas: dict[str, float] = {}
    for box in boxes:
        areas[box.name] = areas.get(box.name, 0.0) + box.area
    return min(areas, key=lambda name: (-areas[name], name), default=None)


def main_classes(coco: dict) -> dict[str, str]:
    """Main class of each image with boxes in COCO json, by file name."""
    names = {c['id']: c['name'] for c in coco['categories']}
    boxes = defaultdict(list)
    for ann in coco['annotations']:
        box = Box(names[ann['category_id']], tuple(ann['bbox']))
        boxes[ann['image_id']].append(box)
    found = {
        i['file_name']: main_class(boxes[i['id']]) for i in coco['images']
    }
    return {name: label for name, label in found.items() if label}
