"""Groups images that show the same piece of surface.

Surface images are often crops of one long strip, cut out in order: images
with neighboring numbers overlap, shifted against each other. A split that
separates them tests a detector on what it was trained on.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from typing import NamedTuple

import cv2
import numpy as np

from ..utils.cli import progress_bar
from .layout import natural_key
from .overlap import (
    best_shift,
    coarse_spectrum,
    fine_correlation,
    flatten,
    thumbnail,
)

# Neighbors within this distance in the order of names are compared. The
# thresholds were chosen on 1,440 crops of six kinds of hot-rolled steel, where
# a window of 240 joins no more than this one.
WINDOW = 80

# Of 20,000 pairs of those images far apart, one in a thousand has a strength
# above 5.5 and none above 6.3; rough surfaces drawn at random, fine or coarse,
# do not reach 6. Of the pairs that overlap 99 % are above 7.
MIN_STRENGTH = 5.5
CLEAR_STRENGTH = 7.0

# Pairs that overlap correlate by 0.6 to 1, or by 0.3 and more if the place was
# photographed twice; other pairs by less than 0.3. The lower bound is for
# pairs of clear strength.
MIN_CORRELATION = 0.3
CLEAR_CORRELATION = 0.6

# Candidates to verify per image. More change nothing where images do overlap,
# since the others follow through the group; they would take long where all
# images have something in common, such as a frame.
_PER_IMAGE = 10

_TINY_SIDE = 32
_BLOCK = 512


def group_near_duplicates(
    images: Sequence[np.ndarray],
    sort_keys: Sequence[str],
) -> list[int]:
    """Groups images that overlap, directly or through others.

    Compared are images whose names are near each other, at all shifts that
    leave a fifth of the image in common, and all pairs for being copies of
    each other (recompressed, brighter, larger). Rotated or mirrored copies
    are not found. Only images of one shape (after reduction to thumbnails)
    can be found to overlap.

    Args:
        images (Sequence[np.ndarray]): Gray images or their thumbnails (uint8,
            shape (H, W), any sizes).
        sort_keys (Sequence[str]): Name of each image. The natural order of
            names (``a_2`` before ``a_10``) says which are neighbors.

    Returns:
        list[int]: Group of each image: the index of its first member.
    """
    small = [thumbnail(image) for image in images]
    order = sorted(
        range(len(images)), key=lambda index: natural_key(sort_keys[index])
    )
    groups = _Groups(len(images))
    seen: dict[tuple, int] = {}
    for index, image in enumerate(small):
        key = (image.shape, image.tobytes())
        groups.join(index, seen.setdefault(key, index))
    # Sure pairs first: most of the others are then in one group already.
    candidates = sorted([*_shifted(small, order), *_copies(small)])
    for pair in progress_bar(candidates, 'checking overlaps'):
        first, second = pair.first, pair.second
        if groups.find(first) != groups.find(second):
            found = fine_correlation(small[first], small[second], pair.shift)
            if found > pair.needed:
                groups.join(first, second)
    return [groups.find(index) for index in range(len(images))]


class _Candidate(NamedTuple):
    """Two images that may overlap; the likelier, the smaller."""

    doubt: float
    first: int
    second: int
    shift: tuple[int, int]
    needed: float


def _shifted(
    small: Sequence[np.ndarray], order: Sequence[int]
) -> Iterator[_Candidate]:
    """Neighbors that may overlap."""
    recent: deque[tuple[int, np.ndarray]] = deque(maxlen=WINDOW)
    for index in progress_bar(order, 'comparing neighbors'):
        spectrum = coarse_spectrum(small[index])
        found = []
        for other, previous in recent:
            if small[other].shape == small[index].shape:
                match = best_shift(previous, spectrum)
                if match.strength > MIN_STRENGTH:
                    found.append(
                        _Candidate(
                            doubt=1 / match.strength,
                            first=other,
                            second=index,
                            shift=match.shift,
                            needed=MIN_CORRELATION
                            if match.strength > CLEAR_STRENGTH
                            else CLEAR_CORRELATION,
                        )
                    )
        yield from nsmallest(_PER_IMAGE, found)
        recent.append((index, spectrum))


def _copies(small: Sequence[np.ndarray]) -> Iterator[_Candidate]:
    """Any two images that may be copies of each other."""
    if not small:
        return
    flat = np.stack([_tiny(image) for image in small])
    for start in range(0, len(small), _BLOCK):
        # Each image of the block against the ones after it.
        alike = flat[start : start + _BLOCK] @ flat[start:].T
        for row, values in enumerate(np.triu(alike, 1) / flat.shape[1]):
            found = [
                _Candidate(
                    doubt=1 - float(values[column]),
                    first=start + row,
                    second=start + column,
                    shift=(0, 0),
                    needed=CLEAR_CORRELATION,
                )
                for column in np.flatnonzero(
                    values > CLEAR_CORRELATION
                ).tolist()
                if small[start + row].shape == small[start + column].shape
            ]
            yield from nsmallest(_PER_IMAGE, found)


def _tiny(image: np.ndarray) -> np.ndarray:
    square = cv2.resize(
        image, (_TINY_SIDE, _TINY_SIDE), interpolation=cv2.INTER_AREA
    )
    return flatten(square, _TINY_SIDE, detail=2, spread=4).ravel()


class _Groups:
    """Union-find; the root of a group is its smallest index.

    Not scipy's: the conversion starts fast, without heavy libraries.
    """

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low
