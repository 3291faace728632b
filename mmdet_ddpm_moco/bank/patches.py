"""Patches: what a pipeline pastes of the windows of a bank, in one file.

A pipeline needs the painted part of a window, and as much of its background
as tells whether an image is the one that it was synthesized on. In
``patches.bin`` these follow each other, ``patches.npy`` says where; both are
derived from the PNGs when a bank is closed. To open and decode a PNG for each
window takes longer than to paste it. Banks of older versions have no patches
and are read from their PNGs.
"""

import math
import os
import weakref
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..utils.fileio import atomic_writer
from .compositing import Box, crop
from .format import INDEX, BankWindow
from .pictures import read_picture

PATCHES = 'patches.bin'
PLACES = 'patches.npy'

# Background that is kept of a window: pixels along its shorter side. Some 250
# pixels tell images apart as well as all of them.
_SAMPLED = 16

PLACE_DTYPE = np.dtype(
    [
        ('offset', '<u8'),  # in patches.bin
        ('number', '<u4'),  # of the window; the rows are in its order
        ('length', '<u4'),  # in bytes
        ('checksum', '<u4'),  # CRC-32 of these
        ('painted', '<i4', 4),  # x, y, w, h in the window
        ('step', '<u4'),  # distance of the samples in pixels
        ('channels', '<u4'),
    ],
    align=True,
)


@dataclass(frozen=True)
class Patch:
    """What is pasted of a window.

    Attributes:
        painted (Box): The tight box around its painted pixels, in the
            window; without a width where nothing is painted.
        alpha (np.ndarray): uint8 (h, w), of that box.
        pixels (np.ndarray): uint8 (h, w, C), likewise; C is 1 (gray) or 3
            (BGR).
        step (int): Distance of the samples in pixels.
        samples (np.ndarray): uint8 (n, m, C), each ``step``-th pixel of the
            window.
        background (np.ndarray): bool (n, m), which of them are not painted.
    """

    painted: Box
    alpha: np.ndarray
    pixels: np.ndarray
    step: int
    samples: np.ndarray
    background: np.ndarray

    def difference(self, part: np.ndarray) -> float | None:
        """How far the background is from that of a part of an image.

        Args:
            part (np.ndarray): Of the size of the window, (H, W, 1) or
                (H, W, 3), BGR, with values from 0 to 255.

        Returns:
            float | None: Mean absolute difference in gray levels; None if
            the window has no background.
        """
        here = part[:: self.step, :: self.step]
        there = _with_channels(self.samples, part.shape[2])
        apart = np.subtract(here, there, dtype=np.float32)[self.background]
        return float(np.abs(apart).sum()) / apart.size if apart.size else None

    def paint(self, part: np.ndarray) -> None:
        """Paints it into a part of an image, in place.

        Args:
            part (np.ndarray): As :meth:`difference` takes it.
        """
        if not self.painted[2]:  # OpenCV takes no empty arrays
            return
        target = crop(part, self.painted)
        pixels = _with_channels(self.pixels, part.shape[2])
        if target.dtype == np.uint8:
            # Faster than numpy; into a copy, as OpenCV cannot write to any
            # view.
            mixed = cv2.copyTo(pixels, self.alpha, target.copy())
            target[:] = mixed.reshape(target.shape)
        else:
            np.copyto(target, pixels, where=self.alpha[..., None] != 0)


def _with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    if pixels.shape[2] == channels:
        return pixels
    if channels == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[..., None]
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)


def patch_of(pixels: np.ndarray, alpha: np.ndarray) -> Patch:
    """The patch of a window.

    Args:
        pixels (np.ndarray): BGR uint8 (H, W, 3).
        alpha (np.ndarray): uint8 (H, W).
    """
    step = max(1, min(alpha.shape) // _SAMPLED)
    if alpha[::step, ::step].all():
        step = 1  # what is left of the background is between the samples
    x, y, w, h = cv2.boundingRect(alpha)
    painted = (x, y, w, h)
    parts = [pixels[::step, ::step], crop(pixels, painted)]
    if all((part == part[..., :1]).all() for part in parts):
        parts = [part[..., :1] for part in parts]
    samples, inside = parts
    background = alpha[::step, ::step] == 0
    return Patch(
        painted, crop(alpha, painted), inside, step, samples, background
    )


def write_patches(root: Path) -> None:
    """Derives the patches of a bank from its index and its pictures.

    Args:
        root (Path): Folder of the bank.

    Raises:
        ValueError: A picture is missing or damaged.
        OSError: The folder cannot be written, or the disk is full.
    """
    windows = [BankWindow.from_row(r.item()) for r in np.load(root / INDEX)]
    windows.sort(key=lambda window: window.number)
    places = np.zeros(len(windows), PLACE_DTYPE)
    offset = 0
    with atomic_writer(root / PATCHES) as file:
        for place, window in zip(places, windows):
            patch = patch_of(*read_picture(root, window))
            data = b''.join(
                array.tobytes()
                for array in (
                    patch.samples,
                    patch.background,
                    patch.alpha,
                    patch.pixels,
                )
            )
            file.write(data)
            place['offset'] = offset
            place['number'] = window.number
            place['length'] = len(data)
            place['checksum'] = zlib.crc32(data)
            place['painted'] = patch.painted
            place['step'] = patch.step
            place['channels'] = patch.samples.shape[2]
            offset += len(data)
    with atomic_writer(root / PLACES) as file:
        np.save(file, places)


class Patches:
    """The patches of a bank, opened for reading.

    Args:
        root (Path): Folder of the bank.
        count (int): How many windows it has.

    Raises:
        OSError: They are not there.
        ValueError: They are damaged, or those of another bank.
    """

    def __init__(self, root: Path, count: int) -> None:
        self._places = np.asarray(
            np.load(root / PLACES, mmap_mode='r', allow_pickle=False)
        )
        if self._places.dtype != PLACE_DTYPE:
            raise ValueError(f'{PLACES} has other columns')
        self._numbers = self._places['number']
        if len(self._places) != count:
            raise ValueError(f'{PLACES} has other windows')
        last = self._places[-1:]  # also of a bank without windows
        size = int((last['offset'] + last['length']).sum())
        file = os.open(
            root / PATCHES, os.O_RDONLY | getattr(os, 'O_BINARY', 0)
        )
        self._file = file
        weakref.finalize(self, os.close, file)
        if os.fstat(file).st_size != size:
            raise ValueError(f'{PATCHES} is cut short')

    def __getitem__(self, window: BankWindow) -> Patch:
        """The patch of a window.

        Raises:
            ValueError: It is damaged.
        """
        place = int(self._numbers.searchsorted(window.number))
        row = self._places[min(place, len(self._places) - 1)].item()
        offset, number, length, checksum, painted, step, channels = row
        data = _read(self._file, length, offset)
        if number != window.number or zlib.crc32(data) != checksum:
            raise ValueError(f'{PATCHES} is damaged')
        *_, width, height = window.window
        x, y, w, h = painted.tolist()
        grid = -(-height // step), -(-width // step)
        shapes = ((*grid, channels), grid, (h, w), (h, w, channels))
        arrays, start = [], 0
        for shape in shapes:
            size = math.prod(shape)
            arrays.append(np.frombuffer(data, np.uint8, size, start))
            start += size
        samples, background, alpha, pixels = (
            array.reshape(shape) for array, shape in zip(arrays, shapes)
        )
        return Patch(
            (x, y, w, h), alpha, pixels, step, samples, background.view(bool)
        )


def _read(file: int, length: int, offset: int) -> bytes:
    """Reads from a file that processes may share, with their position."""
    if hasattr(os, 'pread'):
        return os.pread(file, length, offset)
    os.lseek(file, offset, os.SEEK_SET)  # Windows, which does not fork
    return os.read(file, length)
