"""Finds neighbors that may overlap, at all shifts against each other."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest

import cv2
import numpy as np

from ..utils.cli import progress_bar
from .candidates import (
    CLEAR_CORRELATION,
    MIN_CORRELATION,
    PER_IMAGE,
    Candidate,
    ReadImage,
)
from .overlap import FINE_SIDE, best_shifts, coarse, flatten, spectrum

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


def shifted(read: ReadImage, order: Sequence[int]) -> Iterator[Candidate]:
    """Neighbors of one size that may overlap.

    Args:
        read (ReadImage): Gives thumbnails.
        order (Sequence[int]): Indices of all images, neighbors side by side.

    Yields:
        Candidate: With shifts in coarse pixels. Those of one image follow
        each other, the likeliest first.
    """
    recent = _Recent(same_size=True)
    for index in progress_bar(order, 'comparing neighbors'):
        image = read(index)
        flat = coarse(image)
        one = _Image(index, image.shape, flat.shape)
        transformed = spectrum(flat, flat.shape)
        found = recent.similar(one, transformed, MIN_STRENGTH)
        yield from nsmallest(PER_IMAGE, found)
        recent.append(one, transformed)


def cut_outs(
    read: ReadImage,
    sizes: Sequence[tuple[int, int]],
    order: Sequence[int],
) -> Iterator[Candidate]:
    """Neighbors of different sizes that may overlap, at one scale.

    Args:
        read (ReadImage): Gives images at one scale, with sides of at most
            ``FINE_SIDE`` pixels.
        sizes (Sequence[tuple[int, int]]): Sizes that tell images apart, as
            (width, height).
        order (Sequence[int]): As for :func:`shifted`.

    Yields:
        Candidate: With shifts in pixels of the images that were read.
    """
    widths, heights = zip(*sizes)
    scale = min(1.0, FINE_SIDE / max(*widths, *heights))
    canvas = (
        cv2.getOptimalDFTSize(max(1, round(max(heights) * scale))),
        cv2.getOptimalDFTSize(max(1, round(max(widths) * scale))),
    )
    recent = _Recent(same_size=False)
    for index in progress_bar(order, 'comparing cut-outs'):
        flat = flatten(read(index), FINE_SIDE, detail=4, spread=4)
        one = _Image(index, sizes[index], flat.shape)
        transformed = spectrum(flat, canvas)
        found = recent.similar(one, transformed, CLEAR_STRENGTH)
        yield from nsmallest(PER_IMAGE, found)
        recent.append(one, transformed)


@dataclass(frozen=True)
class _Image:
    index: int
    size: tuple[int, ...]
    shape: tuple[int, int]  # of its flattened version


@dataclass
class _Pair:
    """One or two images and their spectrum, see ``best_shifts``."""

    images: list[_Image]
    numbers: list[int]  # in the order of names
    spectrum: np.ndarray


class _Recent:
    """The last ``WINDOW`` images, two by two.

    Args:
        same_size (bool): Compare an image with those of the same size, or
            else with those of any other.
    """

    def __init__(self, same_size: bool) -> None:
        self._same_size = same_size
        self._pairs: deque[_Pair] = deque()
        self._next = 0

    def append(self, image: _Image, spectrum: np.ndarray) -> None:
        while self._pairs and self._pairs[0].numbers[-1] < self._oldest:
            self._pairs.popleft()
        pair = next(filter(partial(self._fits, image), self._pairs), None)
        if pair is None:
            self._pairs.append(_Pair([image], [self._next], spectrum))
        else:
            pair.images.append(image)
            pair.numbers.append(self._next)
            pair.spectrum = pair.spectrum + np.complex64(1j) * spectrum
        self._next += 1

    def similar(
        self, image: _Image, spectrum: np.ndarray, strength: float
    ) -> Iterator[Candidate]:
        """Those that match the next image with more than this strength."""
        conjugate = spectrum.conj()
        for pair in self._pairs:
            wanted = [
                number >= self._oldest
                and (other.size == image.size) == self._same_size
                for other, number in zip(pair.images, pair.numbers)
            ]
            if not any(wanted):
                continue
            shapes = [(other.shape, image.shape) for other in pair.images]
            matches = best_shifts(pair.spectrum, conjugate, shapes)
            for other, use, match in zip(pair.images, wanted, matches):
                if use and match.strength > strength:
                    yield Candidate(
                        doubt=1 / match.strength,
                        first=other.index,
                        second=image.index,
                        shift=match.shift,
                        needed=MIN_CORRELATION
                        if match.strength > CLEAR_STRENGTH
                        else CLEAR_CORRELATION,
                    )

    @property
    def _oldest(self) -> int:
        """Number of the first image that the next one is compared with."""
        return self._next - WINDOW

    def _fits(self, image: _Image, pair: _Pair) -> bool:
        """Whether an image can join a pair."""
        return (
            len(pair.images) == 1
            and pair.numbers[0] >= self._oldest
            and (not self._same_size or pair.images[0].size == image.size)
        )
