"""YOLO: one text file per image, a line per object, in shares of its size.

As Ultralytics documents it; the older layout of Darknet is read too.
"""

import math
from pathlib import Path

from ...utils.errors import InputError
from ..boxes import AnnotatedObject, AnnotationFile
from ..layout import Records, SourceTree, find_all
from ..pairing import pair_by_stem
from ..report import Report
from ..shapes import box_object, number, polygon_object
from .files import read_files
from .yolo_layout import arranged, read_settings

TITLE = 'images with YOLO text files'
LAYOUT = """\
SRC holds images and a text file for each, and says the names of the classes:
  SRC/images/{train,val,test}/ and SRC/labels/{train,val,test}/
  SRC/{train,valid,test}/{images,labels}/
  SRC/images/ and SRC/labels/, or both in one folder      without a split
  SRC/data.yaml with names: as a list or numbered, or
  SRC/classes.txt (or obj.names) with one name a line
The split is that of train:, val: and test: in data.yaml (folders or lists of
images), of the lists SRC/train.txt and so on, or of the folders. A line is a
box (class x y width height) or an outline (class x y x y x y ...), in shares
of width and height. An empty text file marks its image as free of defects; an
image without one is unlabeled.
"""

pair = pair_by_stem
NAME = 'YOLO'
NOUN = 'txt'
MIN_AREA = 0  # outlines are objects, however small


def find(src: Path, dst: Path | None = None) -> SourceTree:
    """Finds images and text files with labels, in whatever folders.

    Raises:
        FileNotFoundError: If ``src`` is no folder, or holds no images or no
            text files.
        ValueError: If ``dst`` is ``src``, or nothing says the names of the
            classes.
    """
    tree = find_all(src, dst, '.txt')
    settings = read_settings(src)
    if not settings.names:
        raise InputError(
            f'{src} says no names of classes; write one a line into '
            'classes.txt there, in the order of their numbers'
        )
    return arranged(tree, settings)


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the text files; see :func:`read_files`."""

    def parse_file(data: bytes, kind: str | None) -> AnnotationFile:
        return parse(data, tree.settings.names, tree.settings.keypoints)

    return read_files(tree.annotations, parse_file, NOUN, report)


def parse(
    data: bytes, names: dict[int, str], keypoints: bool = False
) -> AnnotationFile:
    """Parses a text file with labels.

    Args:
        data (bytes): Contents of the file.
        names (dict[int, str]): Class of each number. Objects of other numbers
            have no class.
        keypoints (bool): What follows four numbers are points of a pose and
            no outline. Defaults to False.

    Raises:
        ValueError: If a line is neither a box nor an outline.
    """
    objects = []
    for place, line in enumerate(data.decode('utf-8-sig').splitlines(), 1):
        values = list(map(number, line.split()))
        if not values:
            continue
        outline = len(values) > 6 and len(values) % 2 == 1
        if any(map(math.isnan, values)) or not (
            len(values) == 5 or outline or (keypoints and len(values) > 5)
        ):
            raise InputError(
                f'line {place} is neither class x y width height nor class '
                f'and three or more points: {line.strip()[:40]!r}'
            )
        name = names.get(int(values[0]), '')
        if outline and not keypoints:
            objects.append(polygon_object(name, [values[1:]]))
        else:
            objects.append(_box(name, *values[1:5]))
    return AnnotationFile(None, None, tuple(objects), relative=True)


def _box(
    name: str, x: float, y: float, width: float, height: float
) -> AnnotatedObject:
    """A box of a center and a size; of a negative size one that is empty."""
    width, height = max(width, 0), max(height, 0)
    corners = (
        x - width / 2, y - height / 2, x + width / 2, y + height / 2
    )  # fmt: skip
    return box_object(name, corners, f'{x:g},{y:g},{width:g},{height:g}')
