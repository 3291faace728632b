"""Finds neighbors that may overlap, at all shifts against each other."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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

_BLOCK = 32
_THREADS = min(8, os.cpu_count() or 1)


def shifted(read: ReadImage, order: Sequence[int]) -> Iterator[Candidate]:
    """Neighbors of one size that may overlap.

    Args:
        read (ReadImage): Gives thumbnails.
        order (Sequence[int]): Indices of all images, neighbors side by side.

    Returns:
        Iterator[Candidate]: With shifts in coarse pixels. Those of one image
        follow each other, the likeliest first.
    """

    def prepare(index: int) -> tuple[_Image, np.ndarray]:
        image = read(index)
        flat = coarse(image)
        one = _Image(index, image.shape, flat.shape)
        return one, spectrum(flat, flat.shape)

    recent = _Recent(MIN_STRENGTH, same_size=True)
    return _search(prepare, recent, order, 'comparing neighbors')


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

    Returns:
        Iterator[Candidate]: With shifts in pixels of what was read.
    """
    widths, heights = zip(*sizes)
    scale = min(1.0, FINE_SIDE / max(*widths, *heights))
    canvas = (
        cv2.getOptimalDFTSize(max(1, round(max(heights) * scale))),
        cv2.getOptimalDFTSize(max(1, round(max(widths) * scale))),
    )

    def prepare(index: int) -> tuple[_Image, np.ndarray]:
        flat = flatten(read(index), FINE_SIDE, detail=4, spread=4)
        one = _Image(index, sizes[index], flat.shape)
        return one, spectrum(flat, canvas)

    recent = _Recent(CLEAR_STRENGTH, same_size=False)
    return _search(prepare, recent, order, 'comparing cut-outs')


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
    """The images of a block and the ``WINDOW`` before each, two by two.

    Args:
        strength (float): That the match of a candidate must have.
        same_size (bool): Compare an image with those of the same size, or
            else with those of any other.
    """

    def __init__(self, strength: float, same_size: bool) -> None:
        self._strength = strength
        self._same_size = same_size
        self._pairs: deque[_Pair] = deque()
        self._next = 0

    def append(self, image: _Image, spectrum: np.ndarray) -> int:
        """Adds an image.

        Returns:
            int: Its number.
        """
        number = self._next
        self._next += 1
        while self._pairs and self._pairs[0].numbers[-1] < (
            number - WINDOW - _BLOCK
        ):
            self._pairs.popleft()
        pair = next(filter(partial(self._fits, image), self._pairs), None)
        if pair is None:
            self._pairs.append(_Pair([image], [number], spectrum))
        else:
            pair.images.append(image)
            pair.numbers.append(number)
            pair.spectrum = pair.spectrum + np.complex64(1j) * spectrum
        return number

    def similar(
        self, number: int, image: _Image, spectrum: np.ndarray
    ) -> list[Candidate]:
        """Those before an image that match it, the likeliest first."""
        conjugate = spectrum.conj()
        found = []
        for pair in self._pairs:
            wanted = [
                number - WINDOW <= before < number
                and (other.size == image.size) == self._same_size
                for other, before in zip(pair.images, pair.numbers)
            ]
            if not any(wanted):
                continue
            shapes = [(other.shape, image.shape) for other in pair.images]
            matches = best_shifts(pair.spectrum, conjugate, shapes)
            for other, use, match in zip(pair.images, wanted, matches):
                if use and match.strength > self._strength:
                    found.append(
                        Candidate(
                            doubt=1 / match.strength,
                            first=other.index,
                            second=image.index,
                            shift=match.shift,
                            needed=MIN_CORRELATION
                            if match.strength > CLEAR_STRENGTH
                            else CLEAR_CORRELATION,
                        )
                    )
        return nsmallest(PER_IMAGE, found)

    def _fits(self, image: _Image, pair: _Pair) -> bool:
        """Whether an image can join a pair."""
        return (
            len(pair.images) == 1
            and pair.numbers[0] >= self._next - WINDOW
            and (not self._same_size or pair.images[0].size == image.size)
        )


def _search(
    prepare: Callable[[int], tuple[_Image, np.ndarray]],
    recent: _Recent,
    order: Sequence[int],
    description: str,
) -> Iterator[Candidate]:
    """Compares each image with those before it, block by block."""
    blocks = range(0, len(order), _BLOCK)
    # OpenCV and NumPy let other threads run while they work.
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in progress_bar(blocks, description):
            block = [prepare(index) for index in order[start : start + _BLOCK]]
            numbers = [recent.append(*prepared) for prepared in block]
            images, spectra = zip(*block)
            for found in pool.map(recent.similar, numbers, images, spectra):
                yield from found
