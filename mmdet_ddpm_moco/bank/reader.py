"""Reader of a defect bank (see :mod:`~mmdet_ddpm_moco.bank.format`)."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePath

import cv2
import numpy as np

from ..utils.errors import InputError, MissingFileError
from .compositing import crop
from .format import (
    ANNOTATIONS,
    FORMAT_VERSION,
    IMAGES,
    INDEX,
    INDEX_DTYPE,
    MANIFEST,
    RECORDS,
    BankWindow,
    png_name,
    posix_name,
    source_key,
)
from .png import decode_png

# Mean difference in gray levels up to which the background of a window is
# taken to be that of the image. Decoders differ by about one.
SAME_BACKGROUND = 3.0
# Pixels along the shorter side of a window that it is seen from.
CHECKED = 16


class OtherImageError(InputError):
    """A window was synthesized on another image."""


class DefectBank:
    """A finished bank, opened for reading.

    Args:
        root (str | Path): Folder of the bank.

    Raises:
        FileNotFoundError: There is no bank, or it was never finished.
        ValueError: It is of a newer format, or damaged.

    Examples:
        >>> bank = DefectBank('work_dirs/bank')
        >>> image = cv2.imread('data/images/plate_7.png')
        >>> for window in bank.windows_of('data/images/plate_7.png'):
        ...     bank.paste(window, image)
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        manifest = self.root / MANIFEST
        if not manifest.is_file():
            unfinished = (self.root / RECORDS).is_dir()
            msg = (
                f'the defect bank {self.root} '
                f'{"is unfinished" if unfinished else "is not there"}; make '
                'it with tools/synthesize.py'
            )
            raise MissingFileError(msg)
        try:
            self.manifest: dict = json.loads(manifest.read_bytes())
            version = self.manifest['format_version']
            classes, kept = self.manifest['classes'], self.manifest['kept']
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(MANIFEST, repr(error)) from error
        if not isinstance(version, int) or version > FORMAT_VERSION:
            msg = (
                f'the defect bank {self.root} has format {version}, this '
                f'version reads up to {FORMAT_VERSION}; upgrade '
                'mmdet-ddpm-moco'
            )
            raise InputError(msg)
        self.classes: tuple[str, ...] = tuple(classes)
        try:
            self._index = np.load(
                self.root / INDEX, mmap_mode='r', allow_pickle=False
            )
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(INDEX, str(error)) from error
        if self._index.dtype != INDEX_DTYPE or len(self._index) != kept:
            why = f'it does not fit {MANIFEST}'
            raise self._damaged(INDEX, why)
        # The same memory: a look-up in a plain array takes half the time.
        self._rows = np.asarray(self._index)
        self._keys = self._rows['source']
        self._images = f'{self.root / IMAGES}/'

    def _damaged(self, file: str, why: str) -> InputError:
        return InputError(
            f'{file} of the defect bank {self.root} cannot be read, make the '
            f'bank again: {why}'
        )

    def __len__(self) -> int:
        return len(self._index)

    def __reduce__(self) -> tuple:
        # Opened again elsewhere: the index would be pickled as a copy.
        return type(self), (self.root,)

    def windows_of(self, img_path: str | PurePath) -> list[BankWindow]:
        """Windows that were synthesized on an image.

        The bank has images by their name in the COCO json, a pipeline by
        their path; the longest end of the path that is in the bank counts.

        Returns:
            list[BankWindow]: Its windows, by number; empty if it has none.
        """
        name = posix_name(img_path)
        while name:
            key = np.uint64(source_key(name))
            low = int(self._keys.searchsorted(key))
            if low < len(self._keys) and self._keys[low] == key:
                high = int(self._keys.searchsorted(key, 'right'))
                rows = self._rows[low:high].tolist()
                return [BankWindow.from_row(row) for row in rows]
            _, _, name = name.partition('/')
        return []

    def __getitem__(self, index: int) -> BankWindow:
        return BankWindow.from_row(self._rows[index].item())

    def __iter__(self) -> Iterator[BankWindow]:
        return (BankWindow.from_row(row.item()) for row in self._rows)

    @cached_property
    def sources(self) -> dict[int, str]:
        """File name of the source image of each window, by its number.

        Read from the annotations when first asked for.

        Raises:
            ValueError: They are missing or damaged.
        """
        try:
            data = json.loads((self.root / ANNOTATIONS).read_bytes())
            sources = {i['id']: i['source'] for i in data['images']}
            return {w.number: sources[w.number] for w in self}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(ANNOTATIONS, repr(error)) from error

    def read(self, window: BankWindow) -> tuple[np.ndarray, np.ndarray]:
        """Reads the pixels of a window.

        Returns:
            tuple[np.ndarray, np.ndarray]: BGR uint8 (h, w, 3) and alpha
            uint8 (h, w).

        Raises:
            ValueError: Its PNG is missing or damaged.
        """
        pixels = self._pixels(window)
        return pixels[..., 2::-1].copy(), pixels[..., 3].copy()

    def _pixels(self, window: BankWindow) -> np.ndarray:
        """RGBA uint8 (h, w, 4) of a window; not to be written to."""
        path = self._images + png_name(window.number)
        try:
            with open(path, 'rb') as file:  # noqa: PTH123 - pathlib is slow
                pixels = decode_png(file.read())
        except FileNotFoundError:
            pixels = None
        _, _, w, h = window.window
        if pixels is None or pixels.shape[:2] != (h, w):
            msg = f'{path} is missing or damaged; make the bank again'
            raise InputError(msg)
        return pixels

    def check_pictures(self, windows: Iterable[BankWindow]) -> None:
        """Checks that the PNGs of windows are there, without reading them.

        Raises:
            ValueError: Some are missing.
        """
        folder = self.root / IMAGES
        try:
            there = {entry.name for entry in os.scandir(folder)}
        except OSError:
            there = set()
        names = [png_name(window.number) for window in windows]
        missing = [name for name in names if name not in there]
        if missing:
            msg = (
                f'{len(missing)} of {len(names)} pictures of the defect bank '
                f'{self.root} are missing, {IMAGES}/{missing[0]} for one; '
                'copy it again, or make it again'
            )
            raise InputError(msg)

    def paste(
        self,
        window: BankWindow,
        image: np.ndarray,
        name: str = 'it names',
        accept: Callable[[np.ndarray], bool] | None = None,
    ) -> np.ndarray | None:
        """Pastes a window where it was synthesized, in place.

        Args:
            window (BankWindow): One of this bank's.
            image (np.ndarray): BGR (H, W, 3) or gray (H, W) or (H, W, 1),
                uint8 or of another type with values from 0 to 255. Pixels
                change where the alpha of the window is not 0.
            name (str): Name of the image, for the message.
            accept (Callable, optional): Given the alpha, says whether to
                paste it. Defaults to None, always.

        Returns:
            np.ndarray | None: Alpha of the window, uint8 (h, w); None if it
            was not accepted.

        Raises:
            OtherImageError: The window's background is not that of the image.
            ValueError: Its PNG is missing or damaged.
        """
        pixels = self._pixels(window)
        alpha = np.ascontiguousarray(pixels[..., 3])
        part = crop(image, window.window)
        if part.ndim == 2:
            part = part[..., None]
        why = _other_background(part, pixels)
        if why is not None:
            msg = (
                f'window {window.number} of the defect bank {self.root} does '
                f'not belong to the image {name} as it is here ({why}): give '
                'the images that the bank was made from, with '
                'DiffusionDefectAugment right after LoadAnnotations, or make '
                'the bank again'
            )
            raise OtherImageError(msg)
        if accept is not None and not accept(alpha):
            return None
        # Most of a window is background.
        x, y, w, h = cv2.boundingRect(alpha)
        if w:  # OpenCV takes no empty arrays
            painted = (x, y, w, h)
            _copy(
                _like(crop(pixels, painted), part),
                crop(alpha, painted),
                crop(part, painted),
            )
        return alpha


def _like(pixels: np.ndarray, part: np.ndarray) -> np.ndarray:
    """RGBA (h, w, 4) with the channels of a part of an image."""
    if part.shape[2] == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_RGBA2GRAY)[..., None]
    return cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGR)


def _copy(pixels: np.ndarray, alpha: np.ndarray, part: np.ndarray) -> None:
    """Copies the pixels whose alpha is not 0 to a part of an image."""
    if part.dtype == np.uint8:
        # Faster than numpy; into a copy, as OpenCV cannot write to any view.
        mixed = cv2.copyTo(pixels, alpha, part.copy())
        part[:] = mixed.reshape(part.shape)
    else:
        np.copyto(part, pixels, where=alpha[..., None] != 0)


def _other_background(part: np.ndarray, pixels: np.ndarray) -> str | None:
    """Says why a window is of another image, None if it is not.

    Args:
        part (np.ndarray): Where it would be pasted, (h, w, C).
        pixels (np.ndarray): RGBA uint8 (h, w, 4) of the window.
    """
    if part.shape[:2] != pixels.shape[:2]:
        return 'the image is too small'
    if part.shape[2] not in (1, 3):
        return f'it has {part.shape[2]} channels'
    # A grid of some 250 pixels tells images apart as well as all of them.
    step = max(1, min(part.shape[:2]) // CHECKED)
    error = _mean_difference(part[::step, ::step], pixels[::step, ::step])
    if error is None and step > 1:
        error = _mean_difference(part, pixels)
    if error is not None and error > SAME_BACKGROUND:
        return f'its background differs by {error:.0f} gray levels'
    return None


def _mean_difference(part: np.ndarray, pixels: np.ndarray) -> float | None:
    """Of the background, in gray levels; None without any."""
    there = _like(np.ascontiguousarray(pixels), part)
    background = (pixels[..., 3] == 0).view(np.uint8)
    number = cv2.countNonZero(background)
    if not number:
        return None
    if part.dtype != np.uint8:
        part, there = (p.astype(np.float32) for p in (part, there))
    total = cv2.norm(part, there, cv2.NORM_L1, background)
    return total / (number * part.shape[2])
