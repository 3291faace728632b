"""Samples of the contrastive stage, listed from files of several forms."""

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bank.compositing import Box
from ..utils.errors import InputError, MissingFileError
from .labeled_images import BACKGROUND, LabeledImage, LabeledImages
from .window_geometry import free_place

# Sizes tried before an image is taken to have no room.
_SIZES = 10


def background_windows(
    labeled: LabeledImages,
    window_of: Callable[[Box, LabeledImage], Box],
    number: int,
) -> Iterator[tuple[int, Box]]:
    """Finds windows on ground that is clear of every labeled box.

    They are as large as those around defects, so that size does not tell
    the two apart. The same images give the same windows.

    Args:
        labeled (LabeledImages): The images.
        window_of (Callable): Window around a box ``(x, y, w, h)`` in an
            image; its size is what counts.
        number (int): Windows of each image, >= 0; fewer where there is no
            room.

    Yields:
        tuple[int, tuple]: Index of the image and ``(x, y, w, h)`` in pixels.
    """
    rng = np.random.RandomState(0)
    boxes = [d.box for image in labeled.images for d in image.defects]
    for index, image in enumerate(labeled.images):
        found = 0
        for _ in range(_SIZES * number):
            if found == number or not boxes:
                break
            w, h = boxes[rng.randint(len(boxes))][2:]
            # The box of another image may be larger than this one.
            w, h = min(w, image.size[0]), min(h, image.size[1])
            size = window_of((0, 0, w, h), image)[2:]
            place = free_place(size, image.size, image.taken, rng)
            if place is not None:
                found += 1
                yield index, place


IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


@dataclass(frozen=True)
class Sample:
    """One image, or a part of one.

    Attributes:
        path (Path): The image file.
        crop (tuple[int, int, int, int] | None): ``(x, y, w, h)`` in pixels;
            None is the whole image.
        dataset (str | None): Name of the class; None where the image stands
            alone.
    """

    path: Path
    crop: Box | None = None
    dataset: str | None = None


def enlarged_box(
    box: Box, image_size: tuple[int, int], context: float, min_size: int
) -> Box:
    """Enlarges a box around its center, and moves it to stay in the image.

    Args:
        box (tuple[int, int, int, int]): ``(x, y, w, h)`` in pixels, inside
            the image.
        image_size (tuple[int, int]): ``(width, height)`` in pixels.
        context (float): What is added to each side, as a share of it; not
            negative.
        min_size (int): Shortest side of the result in pixels, where the
            image is that large.

    Returns:
        tuple[int, int, int, int]: ``(x, y, w, h)``; holds ``box``.
    """
    starts, lengths = [], []
    for start, length, limit in zip(box[:2], box[2:], image_size, strict=True):
        new = max(math.ceil(length * (1 + context)), min_size)
        new = min(new, limit)
        first = start + (length - new) // 2
        starts.append(min(max(first, 0), limit - new))
        lengths.append(new)
    return (*starts, *lengths)


def list_annotated(
    dataset_ids: str, ann_file: str, img_prefix: str, **options
) -> tuple[list[Sample], tuple[str, ...]]:
    """Lists the images of a COCO json, or what its boxes show.

    Args:
        dataset_ids (str): 'alone' or 'class'.
        ann_file (str): The json.
        img_prefix (str): Folder that its file names start from.
        **options: With 'class' ``crop``, ``context``, ``min_size`` and
            ``background``, see :class:`ContrastiveDataset`.

    Returns:
        tuple[list[Sample], tuple[str, ...]]: Samples, and names of classes.

    Raises:
        FileNotFoundError: The json or an image is missing.
        ValueError: An option is out of range.
    """
    if dataset_ids == 'class':
        return _by_class(ann_file, img_prefix, **options)
    if not Path(ann_file).is_file():
        msg = f'no annotations at {ann_file}, a source of contrast'
        raise MissingFileError(msg)
    images = json.loads(Path(ann_file).read_text(encoding='utf-8'))['images']
    paths = [Path(img_prefix) / image['file_name'] for image in images]
    _check_files(paths, ann_file, img_prefix)
    return [Sample(path) for path in paths], ()


def _by_class(
    ann_file: str,
    img_prefix: str,
    crop: bool = True,
    context: float = 0.5,
    min_size: int = 32,
    background: int = 0,
) -> tuple[list[Sample], tuple[str, ...]]:
    if context < 0 or min_size < 1 or background < 0:
        msg = (
            f'context and background must be at least 0 and min_size at '
            f'least 1, got {context}, {background} and {min_size}'
        )
        raise InputError(msg)
    if background and not crop:
        msg = (
            'background is cut from images of which each box is a sample; '
            'it cannot be given with crop=False'
        )
        raise InputError(msg)
    labeled = LabeledImages(ann_file, img_prefix)
    _check_files([i.path for i in labeled.images], ann_file, img_prefix)
    classes = labeled.classes
    if not crop:
        return [_window(i, classes) for i in labeled.images], classes

    def cut(box: Box, image: LabeledImage) -> Box:
        return enlarged_box(box, image.size, context, min_size)

    samples = [
        Sample(image.path, cut(defect.box, image), classes[defect.label])
        for image in labeled.images
        for defect in image.defects
    ]
    samples += [
        Sample(labeled.images[index].path, window, BACKGROUND)
        for index, window in background_windows(labeled, cut, background)
    ]
    return samples, classes


def _window(image: LabeledImage, classes: tuple[str, ...]) -> Sample:
    if not image.defects:
        return Sample(image.path, dataset=BACKGROUND)
    largest = max(image.defects, key=lambda d: d.box[2] * d.box[3])
    return Sample(image.path, dataset=classes[largest.label])


def list_folder(
    dataset_ids: str, img_folder: str
) -> tuple[list[Sample], tuple[str, ...]]:
    """Lists all images in a folder and below it.

    Args:
        dataset_ids (str): 'alone' or 'folder'.
        img_folder (str): The folder.

    Returns:
        tuple[list[Sample], tuple[str, ...]]: Samples, and names of folders.

    Raises:
        FileNotFoundError: There is no image.
    """
    root = Path(img_folder)
    paths = sorted(
        path
        for path in root.rglob('*')
        if path.suffix.lower() in IMAGE_SUFFIXES
    )
    if not paths:
        msg = (
            f'no image ({", ".join(IMAGE_SUFFIXES)}) in {img_folder} or '
            'below it'
        )
        raise MissingFileError(msg)
    if dataset_ids == 'alone':
        return [Sample(path) for path in paths], ()
    names = [path.parent.relative_to(root).as_posix() for path in paths]
    # Images right in the folder are of its own kind.
    names = [root.resolve().name if n == '.' else n for n in names]
    return [
        Sample(path, dataset=name)
        for path, name in zip(paths, names, strict=True)
    ], tuple(dict.fromkeys(names))


def list_table(
    dataset_ids: str, table: str, img_prefix: str, column: str
) -> tuple[list[Sample], tuple[str, ...]]:
    """Lists the images of a CSV file.

    Args:
        dataset_ids (str): 'column'.
        table (str): The CSV file, with a header.
        img_prefix (str): Folder that its file names start from.
        column (str): Its column of datasets.

    Returns:
        tuple[list[Sample], tuple[str, ...]]: Samples, and names of datasets.

    Raises:
        FileNotFoundError: The table or an image is missing.
        ValueError: A column is missing, or there is no row.
    """
    if not Path(table).is_file():
        msg = f'no table at {table}, a source of contrast'
        raise MissingFileError(msg)
    with Path(table).open(encoding='utf-8-sig', newline='') as file:
        reader = csv.DictReader(file)
        missing = {'file_name', column} - set(reader.fieldnames or ())
        rows = list(reader)
    if missing or not rows:
        msg = (
            f'{table} has no {" and no ".join(sorted(missing)) or "row"}: a '
            f'table has the columns file_name and {column} and a row for '
            'each image'
        )
        raise InputError(msg)
    paths = [Path(img_prefix) / row['file_name'] for row in rows]
    _check_files(paths, table, img_prefix)
    # An empty cell: nobody knows, the image stands alone.
    names = [row[column] or None for row in rows]
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
            f'where img_prefix={img_prefix!r} puts them, {missing[0]} the '
            'first'
        )
        raise MissingFileError(msg)
