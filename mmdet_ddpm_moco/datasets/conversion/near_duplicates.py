"""Groups images that show the same piece of surface.

Surface images are often crops of one long strip, cut out in order: images
with neighbouring numbers overlap, shifted against each other. A split that
parts them tests a detector on what it was trained on.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from mmdet_ddpm_moco.datasets.conversion.natural_order import natural_key
from mmdet_ddpm_moco.datasets.conversion.overlap import (
    best_shift,
    coarse_spectrum,
    fine_correlation,
    flatten,
    thumbnail,
)
from mmdet_ddpm_moco.datasets.conversion.progress import Progress

# Chosen on 1,440 crops of six kinds of hot-rolled steel. Of 50,000 random
# pairs far apart none passes both thresholds: chance reaches a strength of 9
# once in a few thousand pairs and then a correlation below 0.2. Pairs that do
# overlap have a strength of 12 to 57 and a correlation of 0.6 to 1, or 0.3
# and more if the place was photographed twice. With a window of 240 a single
# pair of groups more is joined.
WINDOW = 60
MIN_STRENGTH = 9.0
MIN_CORRELATION = 0.3

# Correlation of tiny images from which on two may be copies of each other.
MIN_COPY = 0.6

_THUMB_SIDE = 32
_BLOCK = 512


def group_near_duplicates(
    images: Sequence[np.ndarray],
    sort_keys: Sequence[str],
    progress: Progress | None = None,
) -> list[int]:
    """Groups images that overlap, directly or through others.

    Compared are images whose names are near each other, at all shifts that
    leave a fifth of the image in common, and all pairs for being copies of
    each other (stored anew, brighter, larger). Turned or mirrored copies are
    not looked for. Only images of one shape (after reduction to thumbnails)
    can be found to overlap.

    Args:
        images (Sequence[np.ndarray]): Grey images or their thumbnails (uint8,
            shape (H, W), any sizes).
        sort_keys (Sequence[str]): Name of each image. The natural order of
            names (``a_2`` before ``a_10``) says which are neighbours.
        progress (Callable, optional): Called with what is being done, how
            much of it is done, and how much there is.

    Returns:
        list[int]: Group of each image: the index of its first member.

    Raises:
        ValueError: If there are not as many names as images, or an image is
            not of shape (H, W).
    """
    if len(images) != len(sort_keys):
        raise ValueError(
            f'{len(sort_keys)} sort keys for {len(images)} images; give one '
            'per image'
        )
    for image in images:
        if image.ndim != 2 or image.dtype != np.uint8:
            raise ValueError(
                f'an image has shape {image.shape} and type {image.dtype}; '
                'give grey images of shape (H, W) and type uint8'
            )
    small = [thumbnail(image) for image in images]
    order = sorted(
        range(len(images)), key=lambda index: natural_key(sort_keys[index])
    )
    groups = _Groups(len(images))
    seen: dict[tuple, int] = {}
    for index, image in enumerate(small):
        key = (image.shape, image.tobytes())
        groups.join(index, seen.setdefault(key, index))
    candidates = [
        *_shifted(small, order, progress),
        *_copies(small),
    ]
    # Sure pairs first: most of the others are then in one group already.
    candidates.sort(key=lambda item: (-item[0], item[1:]))
    for done, (_, first, second, shift) in enumerate(candidates, start=1):
        if (
            groups.find(first) != groups.find(second)
            and fine_correlation(small[first], small[second], shift)
            > MIN_CORRELATION
        ):
            groups.join(first, second)
        if progress is not None:
            progress('checking overlaps', done, len(candidates))
    return [groups.find(index) for index in range(len(images))]


_Candidate = tuple[float, int, int, tuple[int, int]]


def _shifted(
    small: Sequence[np.ndarray],
    order: Sequence[int],
    progress: Progress | None,
) -> Iterator[_Candidate]:
    """Neighbours that may overlap."""
    recent: deque[tuple[int, np.ndarray]] = deque(maxlen=WINDOW)
    for done, index in enumerate(order, start=1):
        spectrum = coarse_spectrum(small[index])
        for other, previous in recent:
            if small[other].shape == small[index].shape:
                match = best_shift(previous, spectrum)
                if match.strength > MIN_STRENGTH:
                    yield match.strength, other, index, match.shift
        recent.append((index, spectrum))
        if progress is not None:
            progress('comparing neighbours', done, len(order))


def _copies(small: Sequence[np.ndarray]) -> Iterator[_Candidate]:
    """Any two images that may be copies of each other."""
    side = (_THUMB_SIDE, _THUMB_SIDE)
    flat = np.array(
        [
            flatten(
                cv2.resize(image, side, interpolation=cv2.INTER_AREA),
                _THUMB_SIDE,
                detail=2,
                spread=4,
            ).ravel()
            for image in small
        ],
        np.float32,
    ).reshape(len(small), -1)
    for start in range(0, len(small), _BLOCK):
        block = flat[start : start + _BLOCK]
        alike = block @ flat[start:].T / flat.shape[1]
        for row, column in np.argwhere(np.triu(alike, 1) > MIN_COPY):
            first, second = start + int(row), start + int(column)
            if small[first].shape == small[second].shape:
                strength = float(alike[row, column]) * _THUMB_SIDE
                yield strength, first, second, (0, 0)


class _Groups:
    """Union-find in which the smallest index stands for its group."""

    def __init__(self, size: int):
        self._parent = list(range(size))

    def find(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low
