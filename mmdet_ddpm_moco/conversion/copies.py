"""Finds copies among all pairs of images.

There are five billion pairs of 100,000 images, so that they are compared as
products of matrices, block by block; what is compared lies in a temporary
file, or takes a few bytes per image.
"""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO

import cv2
import numpy as np

from ..utils.cli import progress_bar
from ..utils.perceptual_hash import (
    HASH_SIDE,
    agreement,
    flatten,
    perceptual_hash,
    signs,
)
from ..utils.provenance import MAX_DIFFERENCE
from .candidates import CLEAR_CORRELATION, PER_IMAGE, Candidate, ReadImage
from .groups import Groups

# A little above that of the check of leakage, which is of whole images and not
# of thumbnails. Magnetic tiles that lie the other way round differ in 0.21 to
# 0.28, other tiles in 0.32 and more.
_MAX_DIFFERENCE = MAX_DIFFERENCE + 0.02

_TINY_SIDE = 32
_BLOCK = 512


def join_turned(read: ReadImage, groups: Groups) -> None:
    """Joins images whose hashes agree, in any flip or rotation.

    A part may lie the other way round when it is photographed again. What
    the check of leakage would refuse has to be in one group.

    Args:
        read (ReadImage): Gives thumbnails.
        groups (Groups): Of all images.
    """
    hashes, found = [], []
    for index in progress_bar(range(len(groups)), 'hashing images'):
        phash = perceptual_hash(read(index))
        if phash is not None:
            hashes.append(phash)
            found.append(index)
    indices = np.array(found, int)
    limit = (1 - 2 * _MAX_DIFFERENCE) * HASH_SIDE**2
    blocks = range(0, len(hashes), _BLOCK)
    for start in progress_bar(blocks, 'looking for turned copies'):
        rows = indices[start : start + _BLOCK]
        known = signs(hashes[start : start + _BLOCK])
        for other in range(start, len(hashes), _BLOCK):
            columns = indices[other : other + _BLOCK]
            alike = agreement(known, signs(hashes[other : other + _BLOCK]))
            alike = alike > limit
            for row in np.flatnonzero(alike.any(axis=1)):
                groups.join_all(rows[row], columns[alike[row]])


def copies(read: ReadImage, count: int) -> Iterator[Candidate]:
    """Any two images that may be copies of each other, not turned.

    Args:
        read (ReadImage): Gives thumbnails.
        count (int): Number of images.

    Yields:
        Candidate: Those of one image follow each other, the likeliest first.
    """
    shapes: dict[tuple[int, ...], int] = {}
    kinds = np.zeros(count, int)
    with TemporaryFile() as file:
        for index in progress_bar(range(count), 'reducing images'):
            image = read(index)
            kinds[index] = shapes.setdefault(image.shape, len(shapes))
            _tiny(image).tofile(file)
        blocks = range(0, count, _BLOCK)
        for start in progress_bar(blocks, 'looking for copies'):
            yield from _copies_of_block(file, start, kinds)


def _copies_of_block(
    file: IO[bytes], start: int, kinds: np.ndarray
) -> Iterator[Candidate]:
    """Pairs of an image of a block and one after it, in any block."""
    block = _read_tiny(file, start)
    # The likeliest of each image, as (doubt, index).
    best: list[list[tuple[float, int]]] = [[] for _ in block]
    least = np.full((len(block), 1), CLEAR_CORRELATION, np.float32)
    for other in range(start, len(kinds), _BLOCK):
        alike = block @ _read_tiny(file, other).T
        if other == start:
            alike = np.triu(alike, 1)
        near = alike > least
        if not near.any():
            continue
        rows, columns = (kinds[begin:][:_BLOCK] for begin in (start, other))
        near &= rows[:, None] == columns
        for row in np.flatnonzero(near.any(axis=1)):
            places = np.flatnonzero(near[row])
            # No more than are kept, of those that agree alike the first.
            order = np.argsort(-alike[row, places], kind='stable')
            for place in places[order[:PER_IMAGE]].tolist():
                doubt = 1 - float(alike[row, place])
                best[row].append((doubt, other + place))
            best[row] = sorted(best[row])[:PER_IMAGE]
            if len(best[row]) == PER_IMAGE:
                least[row] = 1 - best[row][-1][0]
    for row, found in enumerate(best):
        for doubt, second in found:
            yield Candidate(
                doubt=doubt,
                first=start + row,
                second=second,
                shift=(0, 0),
                needed=CLEAR_CORRELATION,
            )


def _tiny(image: np.ndarray) -> np.ndarray:
    """Such that products are correlations, float32 (_TINY_SIDE**2,)."""
    square = cv2.resize(
        image, (_TINY_SIDE, _TINY_SIDE), interpolation=cv2.INTER_AREA
    )
    flat = flatten(square, _TINY_SIDE, detail=2, spread=4)
    return flat.ravel() / _TINY_SIDE


def _read_tiny(file: IO[bytes], start: int) -> np.ndarray:
    """Up to a block of them from number ``start`` on, (N, _TINY_SIDE**2).

    Mapped into memory, the whole file would count as used.
    """
    length = _TINY_SIDE**2
    file.seek(start * length * np.dtype(np.float32).itemsize)
    return np.fromfile(file, np.float32, _BLOCK * length).reshape(-1, length)
