"""Severstal's steel sheets: one list of run lengths for many images.

The layout of the Kaggle competition "Severstal: Steel Defect Detection"
(2019), which the format of masks reads. ``test_images/`` has no labels and is
left alone: pretraining can read it as it is.
"""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ...utils.errors import InputError, MissingFileError
from ...utils.fileio import IMAGE_SUFFIXES
from ...utils.image_files import decode_image
from ..boxes import AnnotationFile
from ..layout import Records, SourceFile, SourceTree, walk
from ..report import Report
from ..shapes import pieces
from .files import read_text

NAME = 'Severstal'
LIST = 'train.csv'
IMAGES = 'train_images'
_COLUMNS = 'ImageId', 'ClassId', 'EncodedPixels'


def is_layout(src: Path) -> bool:
    """Whether a folder has the list and the images."""
    return (src / LIST).is_file() and (src / IMAGES).is_dir()


def find(src: Path) -> SourceTree:
    """Finds the images; those without a row in the list are defect-free.

    Raises:
        FileNotFoundError: If there are no images.
        ValueError: If the list is none of Severstal.
    """
    tree = SourceTree([], [], [], NAME)
    listed = {name for name, _, _ in _rows(src / LIST)}
    for file in walk(src, '', src / IMAGES):
        kind = IMAGES if file.path.name in listed else ''
        known = file.path.suffix.lower() in IMAGE_SUFFIXES
        found = tree.images if known else tree.strays
        found.append(replace(file, kind=kind))
    if not tree.images:
        raise MissingFileError(f'{src / IMAGES} holds no images')
    path = src / LIST
    tree.annotations.append(SourceFile(path, '', '', LIST, IMAGES))
    return tree


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the masks of each image that the list names.

    All images have the size of the first that can be read. Those that have
    not will be reported.
    """
    (file,) = tree.annotations
    height, width = _shape(tree)
    masks: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, kind, runs in _rows(file.path):
        masks[name].append((kind, runs))
    records: Records = {}
    for name, entries in masks.items():
        record = replace(
            file,
            path=file.path.parent / IMAGES / name,
            label=f'{name} in {LIST}',
        )
        try:
            objects = tuple(
                item
                for kind, runs in entries
                for item in pieces(decoded(runs, height, width), kind)
            )
        except ValueError as error:
            records[record] = None
            report.add('broken_mask', record.label, str(error))
        else:
            records[record] = AnnotationFile(None, (width, height), objects)
    return records


def decoded(runs: str, height: int, width: int) -> np.ndarray:
    """Pixels of start and length, 1-based and down the columns.

    Returns:
        np.ndarray: bool (H, W).

    Raises:
        ValueError: If they are no such numbers, or beyond the image.
    """
    try:
        numbers = np.array(runs.split(), dtype=np.int64)
        starts, lengths = numbers.reshape(-1, 2).T
    except (ValueError, OverflowError) as error:
        raise InputError(f'no pairs of numbers: {runs[:40]!r}') from error
    pixels = np.zeros(height * width, bool)
    for start, length in zip((starts - 1).tolist(), lengths.tolist()):
        if start < 0 or length < 1 or start + length > len(pixels):
            raise InputError(
                f'run {start + 1} {length} is not in {width}x{height} pixels'
            )
        pixels[start : start + length] = True
    return pixels.reshape(width, height).T


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """Image, class and runs of each row that has some."""
    # Not the csv module: fields are plain, and too long for it.
    header, *lines = read_text(path).splitlines() or ['']
    columns = header.replace(' ', '').split(',')
    if 'EncodedPixels' not in columns or not (
        'ImageId_ClassId' in columns or {'ImageId', 'ClassId'} <= set(columns)
    ):
        raise InputError(
            f'{path} has the columns {", ".join(columns)}, not ImageId, '
            'ClassId and EncodedPixels as the list of Severstal'
        )
    rows = []
    for line in lines:
        fields = dict(zip(columns, line.split(',')))
        if 'ImageId_ClassId' in fields:
            # As the list was in the beginning.
            name, _, kind = fields['ImageId_ClassId'].rpartition('_')
            fields.update(ImageId=name, ClassId=kind)
        if fields.get('EncodedPixels', '').strip():
            values = (fields.get(key, '') for key in _COLUMNS)
            name, kind, runs = map(str.strip, values)
            rows.append((name, kind, runs))
    return rows


def _shape(tree: SourceTree) -> tuple[int, int]:
    """Height and width of the first image that can be read."""
    for image in tree.images:
        try:
            data = image.path.read_bytes()
            gray = decode_image(data, cv2.IMREAD_GRAYSCALE)
        except (OSError, ValueError):
            continue
        return gray.shape[0], gray.shape[1]
    msg = f'no image in {IMAGES} can be read; unpack the data set again'
    raise InputError(msg)
