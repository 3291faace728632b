"""Reads a data set into samples and reports whatever is odd about it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..utils.fileio import IMAGE_SUFFIXES
from .boxes import AnnotationFile, Box, clean_boxes
from .class_names import rename_classes
from .folder_names import split_of
from .formats import AnnotationFormat
from .image_reading import read_images, size_before_rotation
from .layout import SourceFile, natural_key
from .pairing import (
    drop_identical_copies,
    folded,
    inner_folder,
    may_be_of,
    name_images,
    pair_by_filename,
)
from .report import Report
from .shapes import in_pixels, scaled
from .thumbnails import ThumbnailFile


@dataclass(frozen=True)
class Sample:
    """An image of the data set."""

    name: str  # its `file_name` in the conversion
    path: Path
    label: str  # path relative to the data set, for reports
    width: int  # of the decoded image in pixels
    height: int
    thumbnail: int  # place of its thumbnail in their file
    # Empty if it is annotated as free of defects, None if it has no usable
    # annotation.
    boxes: tuple[Box, ...] | None
    split: str = ''  # that the data set gives it, '' for none


def collect_samples(
    src: Path,
    dst: Path,
    fmt: AnnotationFormat,
    classes: Sequence[str] | None,
    thumbnails: ThumbnailFile,
    report: Report,
    min_area: float = 0,
    rename: Mapping[str, str] | None = None,
) -> tuple[list[Sample], list[str]]:
    """Reads the data set in ``src``.

    ``thumbnails`` receives small images, ``report`` the findings.
    ``dst`` is the folder of the conversion, ``classes`` are those to keep,
    None for all, ``min_area`` the pixels that a mask must have, ``rename``
    new names of classes.

    Returns:
        tuple[list[Sample], list[str]]: Samples in natural order of their
        names, and the classes: those given, or all in alphabetical order.

    Raises:
        FileNotFoundError: If there is no data set in a known layout.
    """
    tree = fmt.find(src, dst)
    for stray in tree.strays:
        report.add('stray_file', stray.label)
    images, copies = drop_identical_copies(tree.images)
    for copy, kept in copies:
        report.add('identical_copy', copy.label, f'of {kept.label}')
    copies_of = defaultdict(list)
    kept_of = dict(copies)
    for copy, kept in copies:
        copies_of[kept].append(copy)
    decoded = read_images(images, thumbnails, report)
    names, renamed = name_images(list(decoded), dst / 'images')
    for image, name in renamed:
        report.add('renamed_image', image.label, f'now {name}')
    first_of: dict[str, str] = {}
    for image, name in names.items():
        first = first_of.setdefault(folded(name), name)
        if first != name:
            report.add('similar_names', image.label, f'and {first}')
    records, found = rename_classes(
        fmt.read(tree, report), rename or {}, report
    )
    classes = found if classes is None else list(classes)
    for name in classes:
        if name not in found:
            report.add('class_not_found', name)
    pairs = _pair(fmt, tree.images, images, records)
    pairs = {
        image: file
        for image, file in pairs.items()
        if kept_of.get(image, image) in decoded
    }
    used = set(pairs.values())
    stems = Counter(image.stem for image in images)
    for annotation in records:
        if annotation not in used:
            several = stems[annotation.stem] > 1
            report.add(
                f'{fmt.NOUN}_without_image',
                annotation.label,
                'several images have its name' if several else '',
            )
    samples = []
    for image in sorted(decoded, key=lambda item: natural_key(names[item])):
        size, place = decoded[image]
        told: list[tuple[Box, ...] | None] = []
        for same in (image, *copies_of[image]):
            boxes: tuple[Box, ...] | None = None
            if same not in pairs:
                if same.kind is None:
                    continue  # it says nothing
                if same.kind == '':
                    boxes = ()
                else:
                    report.add(f'image_without_{fmt.NOUN}', same.label)
            elif record := records[pairs[same]]:
                file = pairs[same]
                record = _fitted(file, record, size, report)
                if _compare(same, size, file, record, report):
                    boxes = _usable_boxes(
                        file, record, size, classes, report, min_area, fmt.NOUN
                    )
            told.append(boxes)
        if not told:
            report.add(f'image_without_{fmt.NOUN}', image.label)
        samples.append(
            Sample(
                name=names[image],
                path=image.path,
                label=image.label,
                width=size[0],
                height=size[1],
                thumbnail=place,
                boxes=_joined(told, image, report),
                split=_split(image, pairs.get(image)),
            )
        )
    return samples, classes


def _pair(
    fmt: AnnotationFormat,
    images: list[SourceFile],
    kept: list[SourceFile],
    annotations: Mapping[SourceFile, AnnotationFile | None],
) -> dict[SourceFile, SourceFile]:
    """Annotation of each image, first of those kept, then of their copies.

    Images that cannot be read have theirs, too: it is of no other.
    """
    pairs = fmt.pair(kept, list(annotations))
    pairs.update(pair_by_filename(kept, annotations, pairs))
    taken = set(pairs.values())
    remain = set(kept)
    copies = [image for image in images if image not in remain]
    free = [item for item in annotations if item not in taken]
    folders = {inner_folder(image) for image in images}
    for copy, file in fmt.pair(copies, free).items():
        if may_be_of(copy, file, folders):
            pairs[copy] = file
    return pairs


def _joined(
    told: Sequence[tuple[Box, ...] | None], image: SourceFile, report: Report
) -> tuple[Box, ...] | None:
    """The boxes of an image, from the annotations of it and of its copies."""
    if not told or None in told:
        return None
    known = [boxes or () for boxes in told]
    if any(known) and not all(known):
        report.add('copies_disagree', image.label)
        return None
    joined = list(known[0])
    for boxes in known[1:]:
        joined += [box for box in boxes if box not in joined]
    if len(joined) > len(known[0]):
        report.add('joined_copies', image.label)
    return tuple(joined)


def _split(image: SourceFile, file: SourceFile | None) -> str:
    """Split of an image, by its own folder or else by its annotation."""
    root = image.root or (file.root if file else '')
    return split_of(root)


def _fitted(
    file: SourceFile,
    record: AnnotationFile,
    size: tuple[int, int],
    report: Report,
) -> AnnotationFile:
    """The annotation in pixels of an image that was scaled since."""
    drawn = record.size
    if record.relative or file.kind is not None or drawn in (None, size):
        return record
    assert drawn is not None
    objects = scaled(record.objects, drawn, size)
    if objects is None:
        return record
    detail = '{}x{}, is {}x{}'.format(*drawn, *size)
    report.add('scaled_image', file.label, detail)
    return replace(record, size=size, objects=objects)


def _compare(
    image: SourceFile,
    size: tuple[int, int],
    file: SourceFile,
    annotation: AnnotationFile,
    report: Report,
) -> bool:
    """Reports where an annotation file contradicts its image.

    Returns:
        bool: Whether its boxes may be right nevertheless.
    """
    if image.root and file.root and file.root != image.root:
        report.add('paired_across_splits', image.label, f'with {file.label}')
    if annotation.filename not in (None, image.path.name):
        report.add('filename_differs', file.label, repr(annotation.filename))
    named = file.path.suffix.lower() in IMAGE_SUFFIXES and file.kind is None
    if file.stem != image.stem or (
        named and file.path.name != image.path.name
    ):
        report.add('name_differs', image.label, f'is {file.path.name} there')
    if annotation.size is None or annotation.size == size:
        return True
    detail = '{}x{}, is {}x{}'.format(*annotation.size, *size)
    if file.kind is not None:
        report.add('mask_size_differs', file.label, detail)
        return False
    turned = (
        annotation.size == size[::-1]
        and size_before_rotation(image.path) == annotation.size
    )
    if turned:
        report.add('drawn_before_rotation', file.label, detail)
    else:
        report.add('size_differs', file.label, detail)
    return not turned


def _usable_boxes(
    file: SourceFile,
    annotation: AnnotationFile,
    size: tuple[int, int],
    classes: Sequence[str],
    report: Report,
    min_area: float,
    noun: str,
) -> tuple[Box, ...] | None:
    if file.kind is not None:
        # The folder has said whether there is a defect, the mask says where.
        if bool(annotation.objects) != bool(file.kind):
            report.add(
                'empty_mask' if file.kind else 'marked_defect_free', file.label
            )
            return None
        if not file.kind:
            return ()
    objects = annotation.objects
    if annotation.relative:
        objects = tuple(in_pixels(item, *size) for item in objects)
    boxes, findings = clean_boxes(
        objects,
        *size,
        stem=file.stem,
        classes=set(classes),
        min_area=min_area,
    )
    for kind, detail in findings:
        report.add(kind, file.label, detail)
    if not annotation.objects:
        report.add(f'{noun}_without_objects', file.label)
        return ()
    if not boxes:
        # The image has a defect, but its place or class is unknown.
        report.add('no_usable_objects', file.label)
        return None
    return tuple(boxes)
