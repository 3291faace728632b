"""Pascal VOC: one XML file per image (Everingham et al., IJCV 2010)."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Container
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ...utils.errors import InputError, MissingFileError, UserError
from ...utils.fileio import IMAGE_SUFFIXES
from ..boxes import AnnotatedObject, AnnotationFile, Edges
from ..folder_names import split_in, split_of
from ..layout import Records, SourceTree, find_all, find_files
from ..pairing import pair_by_stem
from ..report import Report
from ..shapes import number, polygon_object, rotated
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
ImageSets/Main/{train,val,test}.txt (or Validation.txt and the like). Image and
XML are paired by the stems of their names, also across splits. An XML without
objects marks its image as free of defects.
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
    listed, unused = _image_sets(src, {image.stem for image in tree.images})
    for files in (tree.images, tree.annotations) if listed else ():
        files[:] = [replace(f, root=listed.get(f.stem, '')) for f in files]
    return replace(tree, settings=unused)


def _image_sets(
    src: Path, stems: Container[str]
) -> tuple[dict[str, str], list[str]]:
    """Split of each stem that a list names, and lists that name none."""
    found: dict[str, str] = {}
    unused = []
    for split, path in _split_lists(src):
        lines = list(map(str.strip, read_text(path).splitlines()))
        known = [stem for line in lines if (stem := _stem_in(line, stems))]
        for stem in known:
            found.setdefault(stem, split)
        if any(lines) and not known:
            unused.append(path.relative_to(src).as_posix())
    return found, unused


def _split_lists(src: Path) -> list[tuple[str, Path]]:
    """Split and path of each list in ImageSets/Main, in order of splits.

    Where none is of train, ``trainval.txt`` is, for what no other list names.
    """
    paths = sorted(
        path
        for folder in ('', '*/')
        for path in src.glob(f'{folder}[Ii]mage[Ss]ets/[Mm]ain/*')
        if path.suffix.lower() == '.txt' and path.is_file()
    )
    # Not those of one class, as `dent_train.txt`, whose lines have a sign.
    named = [(split_of(path.stem), path) for path in paths]
    found = [entry for split in SPLITS for entry in named if entry[0] == split]
    if all(split != 'train' for split, _ in found):
        both = [path for path in paths if path.stem.lower() == 'trainval']
        found.extend(('train', path) for path in both)
    return found


def _stem_in(line: str, stems: Container[str]) -> str:
    """The one of the stems that a line names, '' if it names none.

    Lines may have folders and the suffix of an image.
    """
    path = PurePosixPath(line.replace('\\', '/'))
    names = [line, path.name]
    if path.suffix.lower() in IMAGE_SUFFIXES:
        names.append(path.stem)
    return next((name for name in names if name in stems), '')


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the XML files; see :func:`read_files`.

    Lists of splits that name no image are added to the report.
    """
    for label in tree.settings or ():
        report.add('split_list_without_image', label)
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
        objects=tuple(map(_object, root.findall('object'))),
    )


def _object(element: ElementTree.Element) -> AnnotatedObject:
    item = annotated_object(
        _text(element, 'name'),
        *(
            _number(element, f'bndbox/{tag}')
            for tag in ('xmin', 'ymin', 'xmax', 'ymax')
        ),
    )
    # CVAT writes a turned box as it was before, and the angle beside it.
    for attribute in element.findall('attributes/attribute'):
        if _text(attribute, 'name') == 'rotation' and item.edges:
            angle = number(_text(attribute, 'value'))
            if angle and math.isfinite(angle):
                item = polygon_object(item.name, [rotated(item.edges, angle)])
    difficult = _text(element, 'difficult').lower() in ('1', 'true')
    return replace(item, difficult=difficult)


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
