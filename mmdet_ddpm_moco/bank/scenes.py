"""Scenes: whole images with labels that a teacher made, or with none.

A set of scenes is a COCO data set by reference: ``annotations.json`` names
images that stay where they are, ``scenes.json`` says where that is and how
the labels were made. Each box has the ``probability`` that it is right.
``scenes.npz``, derived from both, is what workers read: flat arrays that a
fork shares, so that memory does not grow with workers.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import atomic_write_bytes
from ..utils.provenance import FILE, Record, record_bytes

FORMAT_VERSION = 1
MANIFEST = 'scenes.json'
ANNOTATIONS = 'annotations.json'
INDEX = 'scenes.npz'
# Defects that teachers expect in a scene, from which on it is used. Where they
# see next to nothing it is more likely that they missed something.
MIN_DEFECTS = 0.5


@dataclass(frozen=True)
class Scene:
    """One image and its labels.

    Attributes:
        path (Path): The image.
        boxes (np.ndarray): float32 (N, 4), x0, y0, x1, y1 in pixels.
        labels (np.ndarray): int64 (N, ), index into the classes.
        probabilities (np.ndarray): float32 (N, ), that a box is right, in
            [0, 1].
    """

    path: Path
    boxes: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


class Scenes:
    """A set of scenes, opened for reading.

    Args:
        root (str | Path): Its folder.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is of a newer format, or damaged.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not (self.root / MANIFEST).is_file():
            msg = (
                f'no scenes at {self.root} ({MANIFEST} is missing); make them '
                'with tools/pseudo_label.py'
            )
            raise MissingFileError(msg)
        try:
            self.manifest: dict = json.loads(
                (self.root / MANIFEST).read_bytes()
            )
            version = self.manifest['format_version']
            self.classes: tuple[str, ...] = tuple(self.manifest['classes'])
            self.img_prefix = Path(self.manifest['img_prefix'])
            with np.load(self.root / INDEX, allow_pickle=False) as index:
                self._index = {key: index[key] for key in index.files}
            self._names = self._index['names']
            self._first = self._index['first']
            self._probabilities = self._index['probabilities']
        except (
            ValueError,
            KeyError,
            TypeError,
            OSError,
            EOFError,
            BadZipFile,
        ) as error:
            msg = (
                f'the scenes {self.root} cannot be read, make them again: '
                f'{error!r}'
            )
            raise InputError(msg) from error
        if not isinstance(version, int) or version > FORMAT_VERSION:
            msg = (
                f'the scenes {self.root} have format {version}, this version '
                f'reads up to {FORMAT_VERSION}; upgrade mmdet-ddpm-moco'
            )
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple:
        # Opened again elsewhere, not pickled as a copy.
        return type(self), (self.root,)

    def __getitem__(self, index: int) -> Scene:
        part = slice(self._first[index], self._first[index + 1])
        return Scene(
            self.img_prefix / str(self._names[index]),
            self._index['boxes'][part],
            self._index['labels'][part],
            self._probabilities[part],
        )

    def usable(self, classes: Sequence[int] | None = None) -> np.ndarray:
        """Indices of scenes that teach something.

        Args:
            classes (Sequence[int] | None): Indices of the classes that
                count. Defaults to None, all.

        Returns:
            np.ndarray: int64; scenes with at least ``MIN_DEFECTS`` expected
            defects, and those that are declared free of defects (no
            annotation at all).
        """
        counted = self._probabilities
        if classes is not None:
            counted = counted * np.isin(self._index['labels'], classes)
        expected = np.add.reduceat(np.append(counted, 0), self._first[:-1]) * (
            np.diff(self._first) > 0
        )
        free = self.manifest.get('defect_free', False)
        return np.flatnonzero(
            (expected >= MIN_DEFECTS) | (free & (np.diff(self._first) == 0))
        )


def write_scenes(
    root: str | Path,
    coco: Mapping[str, Any],
    img_prefix: str | Path,
    settings: Mapping[str, Any],
    images_seen: Record | None = None,
) -> Scenes:
    """Writes a set of scenes; the manifest last, so that it is whole.

    Args:
        root (str | Path): Its folder.
        coco (Mapping): COCO ``images``, ``annotations`` and ``categories``.
        img_prefix (str | Path): Folder that the file names start from.
        settings (Mapping): How the labels were made; JSON types.
        images_seen (dict, optional): Record of all images that the labels
            depend on, the scenes' own among them. Defaults to None.

    Returns:
        Scenes: Opened.

    Raises:
        OSError: The folder cannot be written.
    """
    root = Path(root)
    (root / MANIFEST).unlink(missing_ok=True)
    classes = [category['name'] for category in coco['categories']]
    place = {c['id']: i for i, c in enumerate(coco['categories'])}
    rows: dict[int, list[Mapping]] = {i['id']: [] for i in coco['images']}
    for annotation in coco['annotations']:
        rows[annotation['image_id']].append(annotation)
    ordered = [a for i in coco['images'] for a in rows[i['id']]]
    xywh = np.array([a['bbox'] for a in ordered], np.float32).reshape(-1, 4)
    index: dict[str, Any] = dict(
        names=np.array([i['file_name'] for i in coco['images']], dtype=str),
        first=np.cumsum([0, *(len(rows[i['id']]) for i in coco['images'])]),
        boxes=np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]),
        labels=np.array([place[a['category_id']] for a in ordered], np.int64),
        probabilities=np.array(
            [a.get('probability', 1) for a in ordered], np.float32
        ),
    )
    packed = io.BytesIO()
    np.savez(packed, **index)
    if images_seen is not None:
        atomic_write_bytes(root / FILE, record_bytes(images_seen))
    text = json.dumps(coco, ensure_ascii=False) + '\n'
    atomic_write_bytes(root / ANNOTATIONS, text.encode())
    atomic_write_bytes(root / INDEX, packed.getvalue())
    manifest = dict(
        format_version=FORMAT_VERSION,
        classes=classes,
        # Not resolved: defects.json, and with it a bank, names images by
        # the path as it was given, and its windows are found by that.
        img_prefix=str(Path(img_prefix).absolute()),
        **settings,
    )
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + '\n'
    atomic_write_bytes(root / MANIFEST, text.encode())
    return Scenes(root)
