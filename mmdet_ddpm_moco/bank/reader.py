"""Reader of a defect bank (see :mod:`~mmdet_ddpm_moco.bank.format`)."""

import json
import os
from collections.abc import Iterable, Iterator
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
    source_key,
)

# Mean difference in gray levels up to which the background of a window is
# taken to be that of the image. Decoders differ by about one.
SAME_BACKGROUND = 3.0


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
        parts = PurePath(img_path).parts
        for first in range(len(parts)):
            key = np.uint64(source_key(PurePath(*parts[first:])))
            low, high = (
                int(np.searchsorted(self._index['source'], key, side))
                for side in ('left', 'right')
            )
            if high > low:
                rows = self._index[low:high]
                return [BankWindow.from_index(row) for row in rows]
        return []

    def __getitem__(self, index: int) -> BankWindow:
        return BankWindow.from_index(self._index[index])

    def __iter__(self) -> Iterator[BankWindow]:
        return map(BankWindow.from_index, self._index)

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
        path = self.root / IMAGES / png_name(window.number)
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        _, _, w, h = window.window
        if pixels is None or pixels.shape != (h, w, 4):
            msg = f'{path} is missing or damaged; make the bank again'
            raise InputError(msg)
        return pixels[..., :3], pixels[..., 3]

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
        self, window: BankWindow, image: np.ndarray, name: str = 'it names'
    ) -> np.ndarray:
        """Pastes a window where it was synthesized, in place.

        Args:
            window (BankWindow): One of this bank's.
            image (np.ndarray): BGR uint8 (H, W, 3). Pixels change where the
                alpha of the window is not 0.
            name (str): Name of the image, for the message.

        Returns:
            np.ndarray: Alpha of the window, uint8 (h, w).

        Raises:
            ValueError: The window's background is not that of the image, or
                its PNG is missing or damaged.
        """
        pixels, alpha = self.read(window)
        part = crop(image, window.window)
        background = alpha == 0
        why = None
        if part.shape != pixels.shape:
            why = 'the image is too small'
        elif background.any():
            # uint8 would wrap around.
            error = np.abs(
                part[background].astype(np.int16) - pixels[background]
            ).mean()
            if error > SAME_BACKGROUND:
                why = f'its background differs by {error:.0f} gray levels'
        if why is not None:
            msg = (
                f'window {window.number} of the defect bank {self.root} does '
                f'not belong to the image {name} as it is here ({why}): give '
                'the images that the bank was made from, with '
                'DiffusionDefectAugment right after LoadAnnotations, or make '
                'the bank again'
            )
            raise InputError(msg)
        part[~background] = pixels[~background]
        return alpha
