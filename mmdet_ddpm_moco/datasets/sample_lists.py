"""Samples of the contrastive stage, from COCO jsons, folders and tables.

Each ``list_`` function takes a source of :class:`ContrastiveDataset` and
returns its samples and the names of its classes. It raises FileNotFoundError
for a missing file and ValueError for an option out of range or a damaged
file.
"""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bank.compositing import Box
from ..utils.checks import check_annotations, check_arguments, refuse_damaged
from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import IMAGE_SUFFIXES
from ..utils.image_files import image_files
from .labeled_images import BACKGROUND, LabeledImage, LabeledImages
from .window_geometry import find_free_box

# Sizes tried per window before an image is considered full.
_TRIES = 10


@dataclass(frozen=True)
class Sample:
    """One image, or a part of one."""

    path: Path
    crop: Box | None = None  # None is the whole image
    dataset: str | None = None  # its name; None is the image itself
    defect: Box | None = None  # that it has its name from


# Samples, and names of their classes.
Listing = tuple[list[Sample], tuple[str, ...]]


def list_annotated(
    dataset_ids: str, ann_file: str, img_prefix: str, **options: Any
) -> Listing:
    """Lists the images of a COCO json, or with 'class' its boxes."""
    if dataset_ids == 'class':
        return _by_class(ann_file, img_prefix, **options)
    check_annotations(ann_file, ', a source of images')
    with refuse_damaged(ann_file):
        data = json.loads(Path(ann_file).read_text(encoding='utf-8'))
        paths = [Path(img_prefix) / i['file_name'] for i in data['images']]
    _check_files(paths, ann_file, img_prefix)
    return [Sample(path) for path in paths], ()


def _by_class(
    ann_file: str,
    img_prefix: str,
    crop: bool = True,
    context: float = 0.5,
    min_size: int = 32,
    background: int = 0,
) -> Listing:
    check_arguments(
        locals(),
        context=(context >= 0, 'at least 0'),
        min_size=(min_size >= 1, 'at least 1'),
        background=(background >= 0, 'at least 0'),
    )
    if background and not crop:
        msg = (
            'background windows are cropped, as the boxes are; '
            'background cannot be given with crop=False'
        )
        raise InputError(msg)
    labeled = LabeledImages(ann_file, img_prefix)
    _check_files([i.path for i in labeled.images], ann_file, img_prefix)
    classes = labeled.classes
    if not crop:
        whole = (_whole_image(i, classes) for i in labeled.images)
        return [sample for sample in whole if sample is not None], classes

    def enlarge(box: Box, image: LabeledImage) -> Box:
        return enlarged_box(box, image.size, context, min_size)

    samples = [
        Sample(
            image.path,
            enlarge(defect.box, image),
            classes[defect.label],
            defect.box,
        )
        for image in labeled.images
        for defect in image.defects
    ]
    # Background windows are as large as those of defects, so that size does
    # not separate the two. The same images give the same windows.
    rng = np.random.RandomState(0)
    boxes = [d.box for image in labeled.images for d in image.defects]
    for image in labeled.images:
        found = 0
        for _ in range(_TRIES * background):
            if found == background:
                break
            w, h = boxes[rng.randint(len(boxes))][2:]
            # The box of another image may be larger than this one.
            w, h = min(w, image.size[0]), min(h, image.size[1])
            size = enlarge((0, 0, w, h), image)[2:]
            window = find_free_box(size, image.size, image.occupied, rng)
            if window is not None:
                found += 1
                samples.append(Sample(image.path, window, BACKGROUND))
    return samples, classes


def _whole_image(
    image: LabeledImage, classes: tuple[str, ...]
) -> Sample | None:
    if not image.defects:
        if image.crowds or image.pseudo_labeled:
            # Of no known kind. As a dataset of its own it would be pushed
            # away from the one that it is of, mostly the background.
            return None
        return Sample(image.path, dataset=BACKGROUND)
    largest = max(image.defects, key=lambda d: d.box[2] * d.box[3])
    return Sample(
        image.path, dataset=classes[largest.label], defect=largest.box
    )


def enlarged_box(
    box: Box, image_size: tuple[int, int], context: float, min_size: int
) -> Box:
    """Enlarges a box around its center, and moves it to stay in the image.

    Args:
        box (tuple): ``(x, y, w, h)`` in pixels, inside the image.
        image_size (tuple[int, int]): ``(width, height)`` in pixels.
        context (float): Share that is added to each side, >= 0.
        min_size (int): Shortest side of the result in pixels, where the
            image is that large.

    Returns:
        tuple: ``(x, y, w, h)``; contains ``box``.
    """

    def enlarge(start: int, length: int, limit: int) -> tuple[int, int]:
        new = max(math.ceil(length * (1 + context)), min_size)
        new = min(new, limit)
        first = start + (length - new) // 2
        return min(max(first, 0), limit - new), new

    x, w = enlarge(box[0], box[2], image_size[0])
    y, h = enlarge(box[1], box[3], image_size[1])
    return x, y, w, h


def list_folder(dataset_ids: str, img_folder: str) -> Listing:
    """Lists all images in a folder and its subfolders."""
    root = Path(img_folder)
    paths = image_files(root)
    if not paths:
        msg = (
            f'no image ({", ".join(IMAGE_SUFFIXES)}) in {img_folder} or '
            'its subfolders'
        )
        raise MissingFileError(msg)
    if dataset_ids == 'image':
        return [Sample(path) for path in paths], ()
    names = [path.parent.relative_to(root).as_posix() for path in paths]
    # Images directly in the folder are a dataset of its name.
    names = [root.resolve().name if n == '.' else n for n in names]
    return _named(paths, names)


def list_table(
    dataset_ids: str, table: str, img_prefix: str, column: str
) -> Listing:
    """Lists the images of a CSV file with a header, by one of its columns."""
    if not Path(table).is_file():
        msg = f'no table at {table}, a source of images'
        raise MissingFileError(msg)
    try:
        with Path(table).open(encoding='utf-8-sig', newline='') as file:
            reader = csv.DictReader(file)
            # Spaces around names and values are not part of them.
            reader.fieldnames = [n.strip() for n in reader.fieldnames or ()]
            missing = {'file_name', column} - set(reader.fieldnames)
            rows, numbers = [], []
            for row in reader:
                cells = row.get('file_name'), row.get(column)
                rows.append([(cell or '').strip() for cell in cells])
                numbers.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f'{table} is no CSV text ({error}); save it as UTF-8'
        raise InputError(msg) from error
    if missing or not rows:
        msg = (
            f'{table} has no {" and no ".join(sorted(missing)) or "row"}: a '
            f'table has the columns file_name and {column} and a row for '
            'each image'
        )
        raise InputError(msg)
    for number, (file_name, _) in zip(numbers, rows, strict=True):
        if not file_name:
            msg = (
                f'row {number} of {table} has no file_name; name its image '
                'there, or delete the row'
            )
            raise InputError(msg)
    paths = [Path(img_prefix) / file_name for file_name, _ in rows]
    _check_files(paths, table, img_prefix)
    # With an empty cell the image is its own dataset.
    return _named(paths, [name or None for _, name in rows])


def _named(paths: list[Path], names: Sequence[str | None]) -> Listing:
    samples = [
        Sample(path, dataset=name)
        for path, name in zip(paths, names, strict=True)
    ]
    return samples, tuple(dict.fromkeys(name for name in names if name))


def _check_files(paths: list[Path], ann_file: str, img_prefix: str) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        msg = (
            f'{len(missing)} of {len(paths)} images of {ann_file} are not '
            f'in img_prefix={img_prefix!r}, {missing[0]} the first'
        )
        raise MissingFileError(msg)
