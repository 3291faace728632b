"""Reader of a defect bank.

A bank is a COCO dataset of windows (``annotations.json``, ``images/*.png``)
with a ``manifest.json`` that says how it was made. The PNGs are RGBA: RGB is
the finished picture, the true background where alpha is 0; alpha is 255 on
the defect and falls off around it.

``index.npy`` is derived from the annotations, sorted by source image and
memory-mapped, so that opening a bank costs nothing, workers share it and a
look-up does not depend on the bank's size.
"""

import json
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePath

import cv2
import numpy as np

from ..utils.errors import InputError, MissingFileError
from .compositing import Box

FORMAT_VERSION = 1
ADD, REPLACES, NULL = 'add', 'replaces', 'null'
KINDS = (ADD, REPLACES, NULL)

INDEX_DTYPE = np.dtype(
    [
        ('source', '<u8'),  # source_key() of the image the window comes from
        ('number', '<u4'),  # of the PNG
        ('kind', 'u1'),  # position in KINDS
        ('unused', 'u1'),  # padding of its own: numpy's is not set
        ('label', '<i2'),  # position in the bank's classes, -1 for null
        ('window', '<i4', 4),  # x, y, w, h in the source image
        ('box', '<i4', 4),  # of the defect in the source image, 0 for null
    ],
    align=True,
)  # a look-up in unaligned memory would copy the whole column


def source_key(file_name: str | PurePath) -> int:
    """64-bit key of an image's file name, as it stands in a COCO json."""
    name = PurePath(file_name).as_posix()
    return int.from_bytes(
        blake2b(name.encode(), digest_size=8).digest(), 'little'
    )


def png_name(number: int) -> str:
    """File name of a window's PNG below ``images/``."""
    return f'{number:06d}.png'


@dataclass(frozen=True)
class BankWindow:
    """One window of a bank.

    Attributes:
        number (int): Names its PNG.
        kind (str): ``'add'``, ``'replaces'`` or ``'null'``.
        label (int): Index into the bank's classes; -1 for ``'null'``.
        window (tuple): ``(x, y, w, h)`` of the window in its source image.
        box (tuple): ``(x, y, w, h)`` of the defect there. For ``'replaces'``
            the box of the annotation that it takes the place of.
    """

    number: int
    kind: str
    label: int
    window: Box
    box: Box


class DefectBank:
    """A finished bank, opened for reading.

    Args:
        root (str | Path): Folder of the bank.

    Raises:
        FileNotFoundError: There is no bank, or it was never finished.
        ValueError: It is of a newer format, or damaged.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        manifest = self.root / 'manifest.json'
        if not manifest.is_file():
            state = (
                'is unfinished'
                if (self.root / 'records').is_dir()
                else 'is not there'
            )
            msg = (
                f'the defect bank {self.root} {state}; make it with '
                'tools/synthesize.py'
            )
            raise MissingFileError(msg)
        try:
            self.manifest: dict = json.loads(manifest.read_bytes())
            version = self.manifest['format_version']
            classes, kept = self.manifest['classes'], self.manifest['kept']
        except (ValueError, KeyError, TypeError) as error:
            msg = (
                f'the manifest of the defect bank {self.root} cannot be '
                f'read, make the bank again: {error!r}'
            )
            raise InputError(msg) from error
        if version > FORMAT_VERSION:
            msg = (
                f'the defect bank {self.root} has format {version}, this '
                f'version reads up to {FORMAT_VERSION}; upgrade '
                'mmdet-ddpm-moco'
            )
            raise InputError(msg)
        self.classes: tuple[str, ...] = tuple(classes)
        try:
            self._index = np.load(
                self.root / 'index.npy', mmap_mode='r', allow_pickle=False
            )
        except (OSError, ValueError, EOFError) as error:
            msg = (
                f'the index of the defect bank {self.root} cannot be '
                f'read, make the bank again: {error}'
            )
            raise InputError(msg) from error
        if self._index.dtype != INDEX_DTYPE or len(self._index) != kept:
            msg = (
                f'the index of the defect bank {self.root} does not fit '
                'its manifest; make the bank again'
            )
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self._index)

    def __reduce__(self) -> tuple:
        # Opened again elsewhere: the index would be pickled as a copy.
        return type(self), (self.root,)

    def windows_of(self, img_path: str | PurePath) -> list[BankWindow]:
        """Windows that were synthesized on an image.

        The bank knows images by their name in the COCO json, a pipeline by
        their path; the longest end of the path that the bank knows counts.

        Args:
            img_path (str | PurePath): Path or name of the image.

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
                return [self._window(row) for row in self._index[low:high]]
        return []

    def __getitem__(self, index: int) -> BankWindow:
        return self._window(self._index[index])

    @staticmethod
    def _window(row: np.void) -> BankWindow:
        return BankWindow(
            int(row['number']),
            KINDS[row['kind']],
            int(row['label']),
            tuple(row['window'].tolist()),
            tuple(row['box'].tolist()),
        )

    def read(self, window: BankWindow) -> tuple[np.ndarray, np.ndarray]:
        """Reads the pixels of a window.

        Args:
            window (BankWindow): One of this bank's.

        Returns:
            tuple[np.ndarray, np.ndarray]: BGR uint8 (h, w, 3) and alpha
            uint8 (h, w).

        Raises:
            ValueError: Its PNG is missing or damaged.
        """
        path = self.root / 'images' / png_name(window.number)
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        _, _, w, h = window.window
        if pixels is None or pixels.shape != (h, w, 4):
            msg = f'{path} is missing or damaged; make the bank again'
            raise InputError(msg)
        return pixels[..., :3], pixels[..., 3]
