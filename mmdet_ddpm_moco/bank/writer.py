"""Writer of a defect bank.

While a bank is written, its state is one record per block of windows, each
written in one step once its PNGs are on the disk; it holds their hashes, so
that a missing or damaged PNG is found. ``annotations.json``, ``index.npy``,
the patches and, last, ``manifest.json`` are derived when the bank is closed:
a folder without manifest is no bank.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ..utils.fileio import atomic_write_bytes, json_bytes
from .coco_export import coco_files
from .format import (
    ANNOTATIONS,
    IMAGES,
    MANIFEST,
    RECORDS,
    SETTINGS,
    png_name,
)
from .lock import writing_to
from .patches import write_patches
from .pictures import encode_picture


class BankWriter:
    """Writes a bank block by block, and closes it.

    Several ranks may write blocks, while the main process holds the
    :func:`~.lock.bank_lock`; one closes it. ``settings`` are all that the
    windows depend on, in JSON types, and become part of the manifest.
    """

    def __init__(self, root: str | Path, settings: dict) -> None:
        self.root = Path(root)
        self.settings = settings

    def record_path(self, block: int) -> Path:
        """File of a block's record."""
        return self.root / RECORDS / f'{block:06d}.json'

    def _read_json(self, name: str) -> dict:
        return json.loads((self.root / name).read_bytes())

    def _record_paths(self) -> list[Path]:
        return sorted((self.root / RECORDS).glob('[0-9]*.json'))

    @property
    def is_started(self) -> bool:
        """Whether it is being written, or may be resumed."""
        return (self.root / SETTINGS).exists()

    def read_block(self, block: int) -> list[dict] | None:
        """The record of a block, None if it has not been written."""
        try:
            return json.loads(self.record_path(block).read_bytes())['windows']
        except FileNotFoundError:
            return None

    def verify_blocks(self, block_size: int) -> dict[int, int]:
        """Checks the blocks of an unfinished bank, before it is resumed.

        Records of blocks that are not whole are removed: those are made again.

        Returns:
            dict[int, int]: Windows accepted, by the blocks that are whole.
        """
        accepted = {}
        with writing_to(self.root):
            # It may have been closed with fewer windows, but not cleaned up.
            (self.root / MANIFEST).unlink(missing_ok=True)
            for path in self._record_paths():
                block = int(path.stem)
                count = self._count_whole(path, block * block_size, block_size)
                if count is None:
                    path.unlink()
                else:
                    accepted[block] = count
        return accepted

    def _count_whole(self, path: Path, first: int, size: int) -> int | None:
        """Windows accepted in a block, None if it is not whole."""
        try:
            record = json.loads(path.read_bytes())
            windows, hashes = record['windows'], record['hashes']
            numbers = [w['number'] for w in windows]
            kept = [w['number'] for w in windows if w['rejected'] is None]
            whole = (
                numbers == list(range(first, first + size))
                and list(hashes) == [png_name(n) for n in kept]
                and all(self._is_whole(*item) for item in hashes.items())
            )
        except (ValueError, KeyError, TypeError):
            return None
        return len(kept) if whole else None

    def _is_whole(self, name: str, digest: str) -> bool:
        try:
            return _hash((self.root / IMAGES / name).read_bytes()) == digest
        except FileNotFoundError:
            return False

    def write_block(
        self,
        block: int,
        records: list[dict],
        pictures: list[np.ndarray | None],
    ) -> None:
        """Writes a block.

        Args:
            block (int): Its number.
            records (list[dict]): One per window, with ``number``, ``kind``,
                ``label``, ``source`` (file name of the host), ``window``,
                ``box``, ``replaces`` and ``rejected`` (a gate or None).
            pictures (list): Per window BGRA uint8 (h, w, 4), None for those
                rejected.

        Raises:
            OSError: The folder cannot be written, or the disk is full.
        """
        hashes = {}
        with writing_to(self.root):
            for window, picture in zip(records, pictures):
                if picture is None:
                    continue
                png = encode_picture(picture)
                name = png_name(window['number'])
                atomic_write_bytes(self.root / IMAGES / name, png)
                hashes[name] = _hash(png)
            record = dict(windows=records, hashes=hashes)
            atomic_write_bytes(
                self.record_path(block), json_bytes(record, indent=1)
            )

    def is_derived(self, num: int) -> bool:
        """Whether a run was killed when only the clean-up was left."""
        try:
            return self._read_json(MANIFEST)['asked'] == num and all(
                (self.root / IMAGES / name).is_file()
                for name in self._kept_names()
            )
        except (FileNotFoundError, ValueError, KeyError):
            return False

    def _kept_names(self) -> set[str]:
        images = self._read_json(ANNOTATIONS)['images']
        return {image['file_name'] for image in images}

    def close(
        self,
        num: int,
        finish: Callable[[], None] | None = None,
        hosts: Iterable[str] = (),
    ) -> dict:
        """Derives annotations, index, patches and manifest.

        Args:
            num (int): Windows asked for; the first ``num`` accepted ones in
                order of their number stay, later ones are removed.
            finish (Callable | None): Called once the bank can be opened,
                before the records that a killed run resumes from are removed.
            hosts (Iterable[str]): File names of all images that windows
                could be on, in the COCO json. Defaults to (), those that have
                some.

        Returns:
            dict: The manifest.

        Raises:
            OSError: The folder cannot be written, or the disk is full.
        """
        with writing_to(self.root):
            if not self.is_derived(num):
                self._derive(num, hosts)
            if finish is not None:
                finish()
            # Only now: a run killed before resumes from all of this.
            keep = self._kept_names()
            # There is none if no window of any block was accepted.
            for path in (self.root / IMAGES).glob('*'):
                if path.name not in keep:
                    path.unlink()
            for path in self.root.glob('.*.tmp'):  # of writes that were killed
                path.unlink()
            if (self.root / RECORDS).exists():
                shutil.rmtree(self.root / RECORDS)
            manifest = self._read_json(MANIFEST)
            # Last: it is the lock, and marks the bank as unfinished.
            (self.root / SETTINGS).unlink(missing_ok=True)
        return manifest

    def _derive(self, num: int, hosts: Iterable[str]) -> None:
        records = [
            record
            for path in self._record_paths()
            for record in json.loads(path.read_bytes())['windows']
        ]
        files = coco_files(records, self.settings, num, hosts)
        manifest = files.pop(MANIFEST)
        for name, data in files.items():
            atomic_write_bytes(self.root / name, data)
        write_patches(self.root)
        atomic_write_bytes(self.root / MANIFEST, manifest)


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
