"""The provenance record: which images a stage was trained on.

Generator, bank and backbone carry it, so that a detector can tell whether
the images it is tested on were among them, under whatever name. It is of
plain types, sorted, and the same for the same images.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import InputError
from .perceptual_hash import (
    HASH_SIDE,
    Fingerprint,
    agreement,
    fingerprint,
    signs,
)

# In the folder of a generator or bank.
FILE = 'images_seen.json'
# In the record that a backbone carries.
KEY = 'images_seen'
FORMAT_VERSION = 1

# Perceptual hashes that differ in less than this share of their bits are of
# one picture. Of a million pairs of NEU-DET's images, in all eight flips and
# rotations, three differ in less than 0.29: a copy (0) and two that overlap
# nearly wholly (0.20, 0.24). JPEGs of quality 50 and 25 differ in 0.15 and
# 0.22, 40 gray levels more in 0.19, noise of 5 in 0.15 (95 % of the images do
# not differ in more).
MAX_DIFFERENCE = 0.25
_MIN_AGREEMENT = (1 - 2 * MAX_DIFFERENCE) * HASH_SIDE**2

# Rows compared at a time, to bound memory.
_BLOCK = 1024

Record = dict[str, Any]


class Copy(NamedTuple):
    """An image that is in a record."""

    path: str
    seen: str  # its file name in the record
    # Whether the files are equal; else it is the same picture, recompressed,
    # brighter, scaled, mirrored or rotated.
    exact: bool


def fingerprints(paths: Iterable[str | Path]) -> dict[str, Fingerprint]:
    """Fingerprints of images by path, of those that are local files."""
    files = sorted({str(path) for path in paths})
    files = [file for file in files if Path(file).is_file()]
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, pool.map(fingerprint, files)))


def contents_digest(paths: Iterable[str | Path]) -> str | None:
    """Hash of images by their paths, in any order.

    Returns:
        str | None: 16 hexadecimal digits; None if not all are local files.
    """
    names = {str(path) for path in paths}
    found = fingerprints(names)
    if len(found) < len(names):
        return None
    rows = (f'{path} {image.content}\n' for path, image in found.items())
    return blake2b(''.join(rows).encode(), digest_size=8).hexdigest()


def record_images(paths: Iterable[str | Path]) -> Record:
    """Makes the record of images; repeated ones count once.

    Returns:
        dict: ``format_version`` and ``images``, a list of ``[file name,
        hash of the file, perceptual hash or None]``.
    """
    found = set(fingerprints(paths).values())
    return _record(list(image) for image in found)


def merge_records(*records: Record | None) -> Record | None:
    """Joins records, None where none was kept; None if there is no other."""
    kept = [record for record in records if record is not None]
    if not kept:
        return None
    return _record(row for record in kept for row in record['images'])


def _record(rows: Iterable[Sequence[str | None]]) -> Record:
    unique = {tuple(row) for row in rows}
    images = sorted(unique, key=lambda row: (row[0], row[1]))
    return dict(
        format_version=FORMAT_VERSION, images=[list(row) for row in images]
    )


def record_bytes(record: Record) -> bytes:
    """The contents of a record's file: JSON with an image per line."""
    rows = ',\n'.join(json.dumps(row) for row in record['images'])
    version = record['format_version']
    text = f'{{"format_version": {version}, "images": [\n{rows}\n]}}\n'
    return text.encode()


def read_record(folder: str | Path) -> Record | None:
    """Reads the record of a generator's or bank's folder, None without one.

    Raises:
        ValueError: It cannot be read.
    """
    file = Path(folder) / FILE
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_bytes())
    except ValueError:
        record = None
    return checked_record(record, file)


def checked_record(record: Any, where: str | Path) -> Record:
    """Returns a record read from the file ``where``, checked.

    Raises:
        ValueError: It is no record, or a newer one.
    """
    try:
        rows = [_check_row(*row) for row in record['images']]
        version = record['format_version']
    except (KeyError, TypeError, ValueError):
        msg = (
            f'{where} holds a damaged record of the images it was made '
            'from; make it again'
        )
        raise InputError(msg) from None
    if version != FORMAT_VERSION:
        msg = (
            f'{where} holds a record of images of format {version}, this '
            f'version reads {FORMAT_VERSION}; upgrade mmdet-ddpm-moco'
        )
        raise InputError(msg)
    return dict(format_version=version, images=rows)


def _check_row(name: str, content: str, phash: str | None) -> list[str | None]:
    if len(bytes.fromhex(content)) != 8 or not isinstance(name, str):
        raise ValueError
    if phash is not None and len(bytes.fromhex(phash)) * 8 != HASH_SIDE**2:
        raise ValueError
    return [name, content, phash]


def find_copies(images: dict[str, Fingerprint], record: Record) -> list[Copy]:
    """Finds the images, from :func:`fingerprints`, that are in a record.

    Returns:
        list[Copy]: One per image found, in the order of ``images``.
    """
    contents = {content: name for name, content, _ in record['images']}
    found = {
        path: Copy(path, contents[image.content], exact=True)
        for path, image in images.items()
        if image.content in contents
    }
    hashes = {
        path: image.phash
        for path, image in images.items()
        if image.phash and path not in found
    }
    seen = [(name, phash) for name, _, phash in record['images'] if phash]
    if hashes and seen:
        known = signs([phash for _, phash in seen])
        paths = list(hashes)
        for start in range(0, len(paths), _BLOCK):
            part = paths[start : start + _BLOCK]
            agree = agreement(signs([hashes[p] for p in part]), known)
            best = agree.argmax(axis=1)
            for row, path in enumerate(part):
                if agree[row, best[row]] > _MIN_AGREEMENT:
                    found[path] = Copy(path, seen[best[row]][0], exact=False)
    return [found[path] for path in images if path in found]


def pairs_of_copies(
    images: dict[str, Fingerprint],
) -> Iterator[tuple[str, str]]:
    """Pairs of images, from :func:`fingerprints`, of one picture.

    Of files that are equal, each is paired with the first alone, which
    stands for all of them.

    Yields:
        tuple[str, str]: Paths of an image and of a later one.
    """
    first: dict[str, str] = {}
    for path, image in images.items():
        known = first.setdefault(image.content, path)
        if known != path:
            yield known, path
    hashes = {p: images[p].phash for p in first.values() if images[p].phash}
    if not hashes:
        return
    paths, bits = list(hashes), signs([h for h in hashes.values() if h])
    for start in range(0, len(paths), _BLOCK):
        agree = agreement(bits[start : start + _BLOCK], bits[start:])
        for row, column in np.argwhere(np.triu(agree > _MIN_AGREEMENT, 1)):
            yield paths[start + row], paths[start + column]
