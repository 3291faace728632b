"""The format of a defect bank: all that its writer and its reader share.

A bank is a COCO data set of windows: ``annotations.json`` and
``images/<number>.png``. The PNGs are RGBA: RGB is the finished picture, the
true background where alpha is 0; alpha is 255 on the defect and falls off
around it. What pipelines paste is in ``patches.bin``, see ``bank/patches.py``.
Its images have the extra keys ``kind``, ``source`` (file name of
the image that the window was synthesized on), ``window`` (its place there)
and ``replaces`` (id of the annotation whose place it takes, or null).

``manifest.json`` is written last and says how the bank was made:
``format_version``, the settings (``classes`` among them, and ``device``, the
kind of device that painted the windows; older banks lack it), ``asked``,
``kept``, ``rejected`` (by gate), ``kinds`` (by class) and ``source_depths``
(folders in the names of images; older banks lack it). ``index.npy`` is
derived from the annotations, sorted by source image and memory-mapped, so
that opening a bank costs nothing, workers share it and a look-up does not
depend on the bank's size. ``hosts.npy`` knows all images that windows could
be on, so that one without windows is not taken for one whose name is the end
of its own (older banks lack it).

An unfinished bank has ``settings.json`` (``format_version`` and the settings)
and ``records/<block>.json`` instead: the ``windows`` of each block and the
``hashes`` of their PNGs.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePath

import numpy as np

from .compositing import Box

FORMAT_VERSION = 1

MANIFEST = 'manifest.json'
ANNOTATIONS = 'annotations.json'
INDEX = 'index.npy'
HOSTS = 'hosts.npy'
IMAGES = 'images'
SETTINGS = 'settings.json'
RECORDS = 'records'

ADD, REPLACES, NULL = 'add', 'replaces', 'null'
KINDS = (ADD, REPLACES, NULL)

HOSTS_DTYPE = np.dtype('<u8')  # source_key()
INDEX_DTYPE = np.dtype(
    [
        ('source', '<u8'),  # source_key() of the image the window comes from
        ('number', '<u4'),  # of the PNG
        ('kind', 'u1'),  # position in KINDS
        ('unused', 'u1'),  # explicit padding: numpy leaves its own unset
        ('label', '<i2'),  # position in the bank's classes, -1 for null
        ('window', '<i4', 4),  # x, y, w, h in the source image
        ('box', '<i4', 4),  # of the defect in the source image, 0 for null
    ],
    align=True,
)  # a look-up in unaligned memory would copy the whole column


def posix_name(name: str | PurePath) -> str:
    """A path with single forward slashes."""
    if (
        isinstance(name, str)
        and os.sep == '/'
        and '//' not in name
        and './' not in name
    ):
        return name  # as nearly all are; pathlib takes its time
    return PurePath(name).as_posix()


def source_key(file_name: str | PurePath) -> int:
    """64-bit key of an image's file name as in a COCO json."""
    name = posix_name(file_name).encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest(), 'little')


def make_hosts(names: Iterable[str]) -> np.ndarray:
    """``hosts.npy`` of the names of images: sorted keys, uint64 (N, )."""
    return np.array(sorted(map(source_key, set(names))), HOSTS_DTYPE)


def source_depth(file_name: str | PurePath) -> int:
    """Folders in an image's file name as in a COCO json."""
    return posix_name(file_name).count('/')


def png_name(number: int) -> str:
    """File name of a window's PNG below ``images/``."""
    return f'{number:06d}.png'


@dataclass(frozen=True)
class BankWindow:
    """One window of a bank."""

    number: int  # names its PNG
    kind: str  # 'add', 'replaces' or 'null'
    label: int  # index into the bank's classes; -1 for 'null'
    window: Box  # in its source image
    box: Box  # of the defect there, or of the annotation that it replaces

    @classmethod
    def from_row(cls, row: tuple) -> 'BankWindow':
        """The window of a row of ``index.npy``, as a tuple."""
        _, number, kind, _, label, window, box = row
        return cls(
            number,
            KINDS[kind],
            label,
            tuple(window.tolist()),
            tuple(box.tolist()),
        )


def make_index(records: Sequence[dict]) -> np.ndarray:
    """``index.npy`` of the records of all windows of a bank."""
    index = np.zeros(len(records), INDEX_DTYPE)
    for row, r in zip(index, records):
        row['source'] = source_key(r['source'])
        row['number'] = r['number']
        row['kind'] = KINDS.index(r['kind'])
        row['label'] = -1 if r['kind'] == NULL else r['label']
        row['window'] = r['window']
        row['box'] = r['box']
    return np.sort(index, order=['source', 'number'])
