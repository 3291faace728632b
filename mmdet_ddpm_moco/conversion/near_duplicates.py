"""Groups images that show the same piece of surface.

Surface images are often crops of one long strip, cut out in order: images
with neighboring numbers overlap, shifted against each other. Or one part was
photographed several times, in other light, and cut out of each photograph a
little differently. A split that separates such images tests a detector on what
it was trained on.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from typing import NamedTuple

import cv2
import numpy as np

from ..utils.cli import progress_bar
from ..utils.perceptual_hash import (
    HASH_SIDE,
    agreement,
    perceptual_hash,
    signs,
)
from ..utils.provenance import MAX_DIFFERENCE
from .layout import natural_key
from .overlap import (
    FINE_SIDE,
    best_shift,
    coarse_spectrum,
    fine_correlation,
    flatten,
    spectrum,
    thumbnail,
)

# Neighbors within this distance in the order of names are compared. The
# thresholds were chosen on 1,440 crops of six kinds of hot-rolled steel, where
# a window of 240 joins no more than this one.
WINDOW = 80

# Of 20,000 pairs of those images far apart, one in a thousand has a strength
# above 5.5 and none above 6.3; rough surfaces drawn at random, fine or coarse,
# do not reach 6. Of the pairs that overlap 99 % are above 7. Of 68,000 pairs
# of cut-outs of magnetic tiles, those of one tile are above 9, others below 7.
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

# A little above that of the check of leakage, which is of whole images and not
# of thumbnails. Magnetic tiles that lie the other way round differ in 0.21 to
# 0.28, other tiles in 0.32 and more.
_MAX_DIFFERENCE = MAX_DIFFERENCE + 0.02

_TINY_SIDE = 32
_BLOCK = 512


def group_near_duplicates(
    images: Sequence[np.ndarray],
    sort_keys: Sequence[str],
    sizes: Sequence[tuple[int, int]] | None = None,
) -> list[int]:
    """Groups images that overlap, directly or through others.

    Compared are images whose keys are near each other, at all shifts that
    leave a fifth of the image in common, and all pairs for being copies of
    each other (recompressed, brighter, larger, rotated, mirrored). Overlaps of
    images of different sizes are only found at one scale, where a pixel of
    both is as large on the surface, and if their sizes are given.

    Args:
        images (Sequence[np.ndarray]): Gray images or their thumbnails (uint8,
            shape (H, W), any sizes).
        sort_keys (Sequence[str]): Name of each image, or what says where it
            belongs. The natural order (``a_2`` before ``a_10``) says which
            are neighbors; images of one key are one group.
        sizes (Sequence[tuple[int, int]], optional): Width and height in
            pixels of each image, of which a thumbnail was made. Defaults to
            None: images of different shapes are not compared.

    Returns:
        list[int]: Group of each image: the index of its first member.
    """
    small = [thumbnail(image) for image in images]
    order = sorted(
        range(len(images)), key=lambda index: natural_key(sort_keys[index])
    )
    groups = _Groups(len(images))
    seen: dict[object, int] = {}
    for index, image in enumerate(small):
        for key in ((image.shape, image.tobytes()), sort_keys[index]):
            groups.join(index, seen.setdefault(key, index))
    for first, second in _turned(small):
        groups.join(first, second)
    candidates = [*_shifted(small, order), *_copies(small)]
    scaled = small
    if sizes is not None and len(set(sizes)) > 1:
        scaled = _at_one_scale(small, sizes)
        candidates += _cut_outs(scaled, sizes, order)
    # Sure pairs first: most of the others are then in one group already.
    for pair in progress_bar(sorted(candidates), 'checking overlaps'):
        first, second = pair.first, pair.second
        if groups.find(first) != groups.find(second):
            shown = small if pair.scale is None else scaled
            found = fine_correlation(
                shown[first], shown[second], pair.shift, pair.scale
            )
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
    # Pixels per step of the shift; None for coarse pixels of the thumbnails.
    scale: float | None = None


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


def _at_one_scale(
    small: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
) -> list[np.ndarray]:
    """Thumbnails reduced as far as that of the largest image."""
    scale = min(1.0, FINE_SIDE / max(map(max, sizes)))
    return [
        cv2.resize(
            image,
            [max(1, round(side * scale)) for side in size],
            interpolation=cv2.INTER_AREA,
        )
        for image, size in zip(small, sizes)
    ]


def _cut_outs(
    scaled: Sequence[np.ndarray],
    sizes: Sequence[tuple[int, int]],
    order: Sequence[int],
) -> Iterator[_Candidate]:
    """Neighbors of different sizes that may overlap, at one scale."""
    rows, columns = zip(*(image.shape for image in scaled))
    canvas = (
        cv2.getOptimalDFTSize(max(rows)),
        cv2.getOptimalDFTSize(max(columns)),
    )
    recent: deque[tuple[int, np.ndarray]] = deque(maxlen=WINDOW)
    for index in progress_bar(order, 'comparing cut-outs'):
        flat = flatten(scaled[index], FINE_SIDE, detail=4, spread=4)
        current = spectrum(flat, canvas)
        found = []
        for other, previous in recent:
            if sizes[other] != sizes[index]:
                shapes = scaled[other].shape, flat.shape
                match = best_shift(previous, current, shapes)
                if match.strength > CLEAR_STRENGTH:
                    found.append(
                        _Candidate(
                            doubt=1 / match.strength,
                            first=other,
                            second=index,
                            shift=match.shift,
                            needed=MIN_CORRELATION,
                            scale=1.0,
                        )
                    )
        yield from nsmallest(_PER_IMAGE, found)
        recent.append((index, current))


def _copies(small: Sequence[np.ndarray]) -> Iterator[_Candidate]:
    """Any two images that may be copies of each other."""
    if not small:
        return
    flat = np.stack([_tiny(image) for image in small])
    blocks = range(0, len(small), _BLOCK)
    for start in progress_bar(blocks, 'looking for copies'):
        found: list[list[_Candidate]] = [[] for _ in range(_BLOCK)]
        # Each image of the block against the ones after it, block by block:
        # all at once would take memory for as many as there are.
        for other in range(start, len(small), _BLOCK):
            alike = flat[start : start + _BLOCK] @ flat[other:][:_BLOCK].T
            alike /= flat.shape[1]
            if other == start:
                alike = np.triu(alike, 1)
            places = np.argwhere(alike > CLEAR_CORRELATION).tolist()
            for row, column in places:
                first, second = start + row, other + column
                if small[first].shape == small[second].shape:
                    found[row].append(
                        _Candidate(
                            doubt=1 - float(alike[row, column]),
                            first=first,
                            second=second,
                            shift=(0, 0),
                            needed=CLEAR_CORRELATION,
                        )
                    )
            for row in {row for row, _ in places}:
                found[row] = nsmallest(_PER_IMAGE, found[row])
        for candidates in found:
            yield from candidates


def _turned(small: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """Pairs whose perceptual hashes agree, in any flip or rotation.

    A part may lie the other way round when it is photographed again. What
    the check of leakage would refuse has to be in one group.
    """
    hashes = [perceptual_hash(image) for image in small]
    indices = [i for i, found in enumerate(hashes) if found is not None]
    if not indices:
        return
    known = signs([found for found in hashes if found is not None])
    limit = (1 - 2 * _MAX_DIFFERENCE) * HASH_SIDE**2
    blocks = range(0, len(indices), _BLOCK)
    for start in progress_bar(blocks, 'looking for turned copies'):
        for other in range(start, len(indices), _BLOCK):
            alike = agreement(
                known[start : start + _BLOCK], known[other : other + _BLOCK]
            )
            for row, column in np.argwhere(alike > limit).tolist():
                yield indices[start + row], indices[other + column]


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
