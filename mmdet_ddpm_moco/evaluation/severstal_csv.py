"""Masks in the form of Severstal's board on Kaggle.

A row for each image and class, ``ImageId,ClassId,EncodedPixels``. The last
is empty where there is no defect; else it is ``start length`` of each run of
pixels, numbered from 1 down the columns, from left to right.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from ..utils.errors import InputError

HEADER = ('ImageId', 'ClassId', 'EncodedPixels')


def encode_pixels(mask: np.ndarray) -> str:
    """Encodes a mask.

    Args:
        mask (np.ndarray): bool (H, W).

    Returns:
        str: Numbers separated by a space, '' without a pixel.
    """
    flat = np.asarray(mask, bool).ravel(order='F')
    padded = np.concatenate([[False], flat, [False]])
    # Where it changes: the first pixel of a run, and the first after it.
    edges = np.flatnonzero(padded[1:] != padded[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    pairs = np.stack([starts, ends - starts], axis=1)
    return ' '.join(map(str, pairs.ravel().tolist()))


def decode_pixels(text: str, height: int, width: int) -> np.ndarray:
    """Decodes a mask, the inverse of :func:`encode_pixels`.

    Returns:
        np.ndarray: bool (height, width).

    Raises:
        ValueError: The runs are not pairs of numbers, overlap, are not in
            order, or leave the image.
    """
    try:
        numbers = [int(part) for part in text.split(' ')] if text else []
    except ValueError:
        numbers = [0]
    mask = np.zeros(height * width, bool)
    starts, lengths = numbers[::2], numbers[1::2]
    last = 0  # pixel that the run before ended with
    for start, length in zip(starts, lengths):
        if start <= last or length < 1 or start + length - 1 > mask.size:
            break
        last = start + length - 1
        mask[start - 1 : last] = True
    else:
        if len(starts) == len(lengths):
            return mask.reshape((height, width), order='F')
    msg = (
        f'{text[:40]!r} is no EncodedPixels of {width} x {height} pixels: '
        'pairs of start and length, from 1, in order and apart'
    )
    raise InputError(msg)


def severstal_csv(
    detections: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
    score_thr: float,
) -> str:
    """The table of all masks; those of one image and class are joined.

    Args:
        detections (Sequence[Mapping]): COCO results with ``segmentation``.
        images (Sequence[Mapping]): COCO ``images``.
        categories (Sequence[Mapping]): COCO ``categories``; their ids are
            the ``ClassId``.
        score_thr (float): Lowest score of a mask that is in it, in [0, 1].

    Returns:
        str: The csv.
    """
    encoded: dict[tuple, list[Any]] = defaultdict(list)
    for found in detections:
        if found['score'] >= score_thr:
            pair = found['image_id'], found['category_id']
            encoded[pair].append(found['segmentation'])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(HEADER)
    for image in images:
        for category in categories:
            parts = encoded.get((image['id'], category['id']))
            # One mask at a time: those of all images are gigabytes.
            pixels = _join(parts) if parts else ''
            writer.writerow([image['file_name'], category['id'], pixels])
    return text.getvalue()


def _join(parts: Sequence[Any]) -> str:
    """What some masks cover together, from COCO RLEs to EncodedPixels."""
    return encode_pixels(reduce(np.logical_or, map(mask_utils.decode, parts)))


def check_severstal_csv(
    text: str,
    images: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
) -> None:
    """Checks a table against its form.

    Args:
        text (str): The csv.
        images (Sequence[Mapping]): COCO ``images``.
        categories (Sequence[Mapping]): COCO ``categories``.

    Raises:
        ValueError: The header is another, a row is missing, repeated or of
            an image or class that is not asked for, or its pixels are
            malformed.
    """
    limit = csv.field_size_limit(max(len(text), csv.field_size_limit()))
    try:
        # A large mask has more than the 131,072 characters of a field.
        header, *rows = csv.reader(io.StringIO(text))
    finally:
        csv.field_size_limit(limit)
    if tuple(header) != HEADER:
        msg = f'the header is {",".join(header)}, not {",".join(HEADER)}'
        raise InputError(msg)
    sizes = {
        (image['file_name'], str(category['id'])): image
        for image in images
        for category in categories
    }
    left = set(sizes)
    for row in rows:
        pair = (row[0], row[1]) if len(row) == len(HEADER) else None
        if pair not in left:
            what = 'repeated' if pair in sizes else 'not asked for'
            msg = f'the row {",".join(row)[:60]!r} is {what}'
            raise InputError(msg)
        left.remove(pair)
        decode_pixels(row[2], sizes[pair]['height'], sizes[pair]['width'])
    if left:
        image, kind = min(left)
        msg = f'{len(left)} rows are missing, {image} of class {kind} is one'
        raise InputError(msg)
