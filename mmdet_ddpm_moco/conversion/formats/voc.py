"""Pascal VOC: one XML file per image (Everingham et al., IJCV 2010)."""

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

from ...utils.errors import InputError, MissingFileError, UserError
from ..boxes import AnnotatedObject, AnnotationFile, Edges
from ..folder_names import split_in
from ..layout import Records, SourceTree, find_all, find_files
from ..pairing import pair_by_stem
from ..report import Report
from ..splits import SPLITS
from .files import parse_xml, read_files, read_text

pair = pair_by_stem
TITLE = 'images with VOC XML files'
LAYOUT = """\
Two layouts of SRC are recognized, in upper or lower case, with or without
sub-folders (one per class, say) below the folders of images and XML files:
  SRC/{images|JPEGImages}/ and SRC/annotations/
  SRC/{train,validation,valid,val,test}/{images,annotations}/
If there is neither, images and XML files may be in any folders (side by side,
or SRC/1/ to SRC/10/ and SRC/lable/). A split is that of the folders, or of
ImageSets/Main/{train,val,test}.txt. Image and XML are paired by the stems of
their names, also across splits. An XML without objects marks its image as
free of defects.
"""

NAME = 'VOC'
NOUN = 'xml'
MIN_AREA = 0  # there are no masks
SUFFIX = '.xml'
FOLDERS = frozenset(('annotations',))


def find(src: Path, dst: Path | None = None) -> SourceTree:
    """Finds images and XML files in a known layout, or else in any folders.

    Raises:
        FileNotFoundError: If there are no images or no XML files.
    """
    try:
        tree = find_files(src, SUFFIX, FOLDERS, dst)
    except MissingFileError as error:
        try:
            tree = find_all(src, dst, SUFFIX)
        except UserError:
            raise error from None
        tree = SourceTree(
            [replace(f, root=split_in(f.label)) for f in tree.images],
            [replace(f, root=split_in(f.label)) for f in tree.annotations],
            tree.strays,
        )
    listed = _image_sets(src)
    for files in (tree.images, tree.annotations) if listed else ():
        files[:] = [replace(f, root=listed.get(f.stem, '')) for f in files]
    return tree


def _image_sets(src: Path) -> dict[str, str]:
    """Split of each stem that the lists of ImageSets/Main name."""
    found: dict[str, str] = {}
    for split in SPLITS:
        for folder in ('', '*/'):
            for path in src.glob(f'{folder}ImageSets/Main/{split}.txt'):
                for line in read_text(path).splitlines():
                    found.setdefault(line.strip(), split)
    found.pop('', None)
    return found


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the XML files; see :func:`read_files`."""
    return read_files(tree.annotations, parse, NOUN, report)


def parse(data: bytes, kind: str | None = None) -> AnnotationFile:
    """Parses a VOC XML file, which names its classes itself.

    Raises:
        ValueError: If it is empty, no XML, or no VOC annotation.
    """
    root = parse_xml(data)
    if root.tag != 'annotation':
        raise InputError(f'starts with <{root.tag}>, not <annotation>')
    return AnnotationFile(
        filename=_text(root, 'filename'),
        size=_size(root),
        objects=tuple(
            annotated_object(
                _text(item, 'name'),
                *(
                    _number(item, f'bndbox/{tag}')
                    for tag in ('xmin', 'ymin', 'xmax', 'ymax')
                ),
            )
            for item in root.findall('object')
        ),
    )


def annotated_object(
    name: str, xmin: float, ymin: float, xmax: float, ymax: float
) -> AnnotatedObject:
    """An object of 1-based corners in pixels, all inclusive.

    So a box begins at ``xmin - 1`` and is ``xmax - xmin + 1`` wide. One whose
    ``xmax`` is not above its ``xmin`` was drawn without extent and is empty;
    likewise in y.
    """
    edges: Edges | None = (
        xmin - 1,
        ymin - 1,
        xmax if xmax > xmin else xmin - 1,
        ymax if ymax > ymin else ymin - 1,
    )
    if not all(map(math.isfinite, (xmin, ymin, xmax, ymax))):
        edges = None
    return AnnotatedObject(name, edges, f'{xmin:g},{ymin:g},{xmax:g},{ymax:g}')


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
