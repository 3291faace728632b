"""Reads a VOC dataset into samples and reports whatever is odd about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..utils.errors import InputError
from .formats.voc import Box, VocFile, clean_boxes, parse_voc
from .layout import SourceFile, find_files, natural_key
from .overlap import thumbnail
from .pairing import drop_identical_copies, name_images, pair_by_stem
from .progress import Progress
from .report import Report


@dataclass(frozen=True)
class Sample:
    """An image of the dataset.

    Attributes:
        name (str): Its ``file_name`` in the conversion.
        path (Path): Where it is.
        label (str): Path relative to the dataset, for reports.
        width (int): Width of the decoded image in pixels.
        height (int): Height of the decoded image in pixels.
        thumbnail (np.ndarray): Small gray version (uint8).
        boxes (tuple[Box, ...], optional): Its boxes. Empty if it is declared
            free of defects, None if nobody has said what is on it.
    """

    name: str
    path: Path
    label: str
    width: int
    height: int
    thumbnail: np.ndarray
    boxes: tuple[Box, ...] | None


def collect_samples(
    src: Path,
    dst: Path,
    classes: Sequence[str] | None,
    report: Report,
    progress: Progress | None = None,
) -> tuple[list[Sample], list[str]]:
    """Reads the dataset in ``src``.

    Args:
        src (Path): Folder of the dataset.
        dst (Path): Folder of the conversion.
        classes (Sequence[str], optional): Classes to keep, None for all.
        report (Report): Takes the findings.
        progress (Callable, optional): Told how far reading is.

    Returns:
        tuple[list[Sample], list[str]]: Samples in natural order of their
        names, and the classes: those given, or all in alphabetical order.

    Raises:
        FileNotFoundError: If there is no dataset in a known layout.
    """
    tree = find_files(src, dst)
    for stray in tree.strays:
        report.add('stray_file', stray.label)
    images, copies = drop_identical_copies(tree.images)
    for copy, kept in copies:
        report.add('identical_copy', copy.label, f'of {kept.label}')
    pictures = _read_images(images, report, progress)
    names, renamed = name_images(list(pictures), dst / 'images')
    for image, name in renamed:
        report.add('renamed_image', image.label, f'now {name}')
    texts = _read_xmls(tree.xmls, report)
    found = sorted(
        {item.name for text in texts.values() for item in text.objects} - {''}
    )
    classes = found if classes is None else list(classes)
    for name in classes:
        if name not in found:
            report.add('class_not_found', name)
    pairs = pair_by_stem(list(pictures), tree.xmls)
    paired = set(pairs.values())
    for xml in tree.xmls:
        if xml not in paired:
            report.add('xml_without_image', xml.label)
    samples = []
    for image in sorted(pictures, key=lambda item: natural_key(names[item])):
        size, small = pictures[image]
        xml = pairs.get(image)
        boxes = None
        if xml is None:
            report.add('image_without_xml', image.label)
        elif xml in texts:
            _compare(image, size, xml, texts[xml], report)
            boxes = _usable_boxes(xml, texts[xml], size, classes, report)
        samples.append(
            Sample(
                name=names[image],
                path=image.path,
                label=image.label,
                width=size[0],
                height=size[1],
                thumbnail=small,
                boxes=boxes,
            )
        )
    return samples, classes


def _read_images(
    images: Sequence[SourceFile], report: Report, progress: Progress | None
) -> dict[SourceFile, tuple[tuple[int, int], np.ndarray]]:
    """(width, height) and thumbnail of every image that can be decoded."""
    pictures = {}
    for done, image in enumerate(images, start=1):
        try:
            gray = _decode(image.path)
        except (OSError, ValueError) as error:
            report.add('unreadable_image', image.label, _reason(error))
        else:
            pictures[image] = gray.shape[::-1], thumbnail(gray)
        if progress is not None:
            progress('reading images', done, len(images))
    return pictures


def _decode(path: Path) -> np.ndarray:
    data = np.fromfile(path, np.uint8)
    if not data.size:
        msg = 'the file is empty'
        raise InputError(msg)
    # Turned as EXIF says, as mmdet's loader does, so that sizes agree.
    gray = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if gray is None:
        msg = 'cannot be decoded'
        raise InputError(msg)
    return gray


def _reason(error: OSError | ValueError) -> str:
    # Without the path that an OSError's text ends with.
    return getattr(error, 'strerror', None) or str(error)


def _read_xmls(
    xmls: Sequence[SourceFile], report: Report
) -> Mapping[SourceFile, VocFile]:
    texts = {}
    for xml in xmls:
        try:
            texts[xml] = parse_voc(xml.path.read_bytes())
        except (OSError, ValueError) as error:
            report.add('broken_xml', xml.label, _reason(error))
    return texts


def _compare(
    image: SourceFile,
    size: tuple[int, int],
    xml: SourceFile,
    text: VocFile,
    report: Report,
) -> None:
    """Reports where an XML contradicts its image."""
    if xml.root != image.root:
        report.add('paired_across_splits', image.label, f'with {xml.label}')
    if text.filename != image.path.name:
        report.add('filename_differs', xml.label, repr(text.filename))
    if text.size is not None and text.size != size:
        said = '{}x{}'.format(*text.size)
        report.add(
            'size_differs', xml.label, f'{said}, is {size[0]}x{size[1]}'
        )


def _usable_boxes(
    xml: SourceFile,
    text: VocFile,
    size: tuple[int, int],
    classes: Sequence[str],
    report: Report,
) -> tuple[Box, ...] | None:
    boxes, odd = clean_boxes(
        text.objects, *size, stem=xml.path.stem, classes=set(classes)
    )
    for kind, detail in odd:
        report.add(kind, xml.label, detail)
    if not text.objects:
        report.add('xml_without_objects', xml.label)
        return ()
    if not boxes:
        # Something is on the image, only nobody can say where or what.
        report.add('no_usable_objects', xml.label)
        return None
    return tuple(boxes)
