"""Reader of a defect bank (see :mod:`~mmdet_ddpm_moco.bank.format`)."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np

from ..utils.errors import InputError, MissingFileError
from .compositing import crop
from .format import (
    ANNOTATIONS,
    FORMAT_VERSION,
    HOSTS,
    HOSTS_DTYPE,
    IMAGES,
    INDEX,
    INDEX_DTYPE,
    MANIFEST,
    RECORDS,
    BankWindow,
    png_name,
    source_key,
)
from .patches import PATCHES, PLACES, Patch, Patches, patch_of
from .pictures import read_picture

# Mean difference in gray levels up to which the background of a window is
# taken to be that of the image. Decoders differ by about one.
SAME_BACKGROUND = 3.0


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
        self._hosts = self._open_hosts()
        # Longest first; none of older banks, where any is tried.
        self._depths = self.manifest.get('source_depths', [])[::-1]
        self._patches = self._open_patches()

    def _open_hosts(self) -> np.ndarray:
        file = self.root / HOSTS
        if not file.exists():
            return self._keys  # a bank of an older version
        try:
            hosts = np.load(file, mmap_mode='r', allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(HOSTS, str(error)) from error
        if hosts.dtype != HOSTS_DTYPE or hosts.ndim != 1:
            raise self._damaged(HOSTS, 'it is no list of keys')
        return np.asarray(hosts)

    def _open_patches(self) -> Patches | None:
        if not (self.root / PLACES).exists():
            return None  # a bank of an older version
        try:
            return Patches(self.root, len(self))
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(PATCHES, str(error)) from error

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
        their path; the longest end of the path that is in the bank counts,
        be it of an image without windows.

        Returns:
            list[BankWindow]: Its windows, by number; empty if it has none.
        """
        # Names may start above the folder that a relative path is in.
        path = (Path.cwd() / img_path).as_posix()
        parts = path.split('/')
        for depth in self._depths or range(len(parts) - 1, -1, -1):
            if depth >= len(parts):
                continue
            end = '/'.join(parts[len(parts) - depth - 1 :])
            key = np.uint64(source_key(end))
            at = int(self._hosts.searchsorted(key))
            if at < len(self._hosts) and self._hosts[at] == key:
                # A shorter end would be the name of another image.
                low = int(self._keys.searchsorted(key))
                high = int(self._keys.searchsorted(key, 'right'))
                rows = self._rows[low:high].tolist()
                return [BankWindow.from_row(row) for row in rows]
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
        """Reads the picture of a window: see :func:`.pictures.read_picture`.

        Raises:
            ValueError: Its PNG is missing or damaged.
        """
        return read_picture(self.root, window)

    def _patch(self, window: BankWindow) -> Patch:
        if self._patches is None:
            return patch_of(*self.read(window))
        try:
            return self._patches[window]
        except ValueError as error:
            raise self._damaged(PATCHES, str(error)) from error

    def check_pictures(self, windows: Iterable[BankWindow]) -> None:
        """Checks that what is read of windows is there, without reading it.

        Raises:
            ValueError: Some are missing.
        """
        if self._patches is not None:
            return  # all of them are in one file
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
        accept: Callable[[Patch], bool] | None = None,
    ) -> Patch | None:
        """Pastes a window where it was synthesized, in place.

        Args:
            window (BankWindow): One of this bank's.
            image (np.ndarray): BGR (H, W, 3) or gray (H, W) or (H, W, 1),
                uint8 or of another type with values from 0 to 255. Pixels
                change where the alpha of the window is not 0.
            name (str): Name of the image, for the message.
            accept (Callable, optional): Given the patch, says whether to
                paste it. Defaults to None, always.

        Returns:
            Patch | None: What was pasted; None if it was not accepted.

        Raises:
            OtherImageError: The window's background is not that of the image.
            ValueError: Its patch, or in older banks its PNG, is missing or
                damaged.
        """
        patch = self._patch(window)
        part = crop(image, window.window)
        if part.ndim == 2:
            part = part[..., None]
        why = _other_background(part, window, patch)
        if why is not None:
            msg = (
                f'window {window.number} of the defect bank {self.root} does '
                f'not belong to the image {name} as it is here ({why}): give '
                'the images that the bank was made from, with '
                'DiffusionDefectAugment right after LoadAnnotations, or make '
                'the bank again'
            )
            raise OtherImageError(msg)
        if accept is not None and not accept(patch):
            return None
        patch.paint(part)
        return patch


def _other_background(
    part: np.ndarray, window: BankWindow, patch: Patch
) -> str | None:
    """Says why a window is of another image, None if it is not.

    Args:
        part (np.ndarray): Where it would be pasted, (h, w, C).
        window (BankWindow): The window.
        patch (Patch): Its patch.
    """
    if part.shape[1::-1] != window.window[2:]:
        return 'the image is too small'
    if part.shape[2] not in (1, 3):
        return f'it has {part.shape[2]} channels'
    error = patch.difference(part)
    if error is not None and error > SAME_BACKGROUND:
        return f'its background differs by {error:.0f} gray levels'
    return None
