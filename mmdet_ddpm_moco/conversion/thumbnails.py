"""Thumbnails of images in a temporary file: of many, they take gigabytes."""

from array import array
from collections.abc import Sequence
from tempfile import TemporaryFile

import numpy as np


class ThumbnailFile:
    """Gray uint8 (H, W) images by the order in which they were appended."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115
        self._begins = array('q')
        self._shapes = array('i')

    def append(self, image: np.ndarray) -> int:
        """Writes an image.

        Returns:
            int: Its index.
        """
        self._begins.append(self._file.seek(0, 2))
        self._shapes.extend(image.shape)
        self._file.write(image.tobytes())
        return len(self._begins) - 1

    def read(self, index: int) -> np.ndarray:
        """Reads an image."""
        height, width = self._shapes[2 * index : 2 * index + 2]
        self._file.seek(self._begins[index])
        data = self._file.read(height * width)
        return np.frombuffer(data, np.uint8).reshape(height, width)

    def close(self) -> None:
        """Deletes the file."""
        self._file.close()


class Chosen(Sequence[np.ndarray]):
    """Some images of a file, each read when it is asked for."""

    def __init__(self, file: ThumbnailFile, indices: Sequence[int]) -> None:
        self._file = file
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Chosen(self._file, self._indices[index])
        return self._file.read(self._indices[index])
