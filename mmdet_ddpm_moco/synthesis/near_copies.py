"""How near a synthesized defect is to those that the generator has seen."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..bank.compositing import crop
from ..datasets.labeled_images import LabeledImages

SIDE = 24  # pixels of a thumbnail
# Share of real defects that may lie nearer to another one than a synthesized
# defect may to any.
QUANTILE = 0.01


def thumbnail(defect: np.ndarray) -> np.ndarray:
    """Feature vector of a defect: what it looks like, but for its contrast.

    Args:
        defect (np.ndarray): uint8 (H, W, C), the pixels of its box.

    Returns:
        np.ndarray: float32 (SIDE * SIDE, ), mean 0 and length 1; zeros if
        the box is of one tone.
    """
    gray = defect.astype(np.float32).mean(axis=2)
    small = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    vector = (small - small.mean()).ravel()
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-3 else vector * 0


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """Thumbnails (N, SIDE * SIDE) in the 4 ways to mirror them, (4N, ...).

    The generator is trained on mirrored windows, so that a copy may be a
    mirrored one.
    """
    square = vectors.reshape(-1, SIDE, SIDE)
    ways = (
        square,
        square[:, ::-1],
        square[:, :, ::-1],
        square[:, ::-1, ::-1],
    )
    return np.concatenate(ways).reshape(-1, SIDE * SIDE)


def distance(vector: np.ndarray, others: np.ndarray) -> float:
    """Distance of a defect from the nearest of others.

    Args:
        vector (np.ndarray): float32 (SIDE * SIDE, ), of :func:`thumbnail`.
        others (np.ndarray): float32 (N, SIDE * SIDE).

    Returns:
        float: 1 less the highest correlation, in [0, 2]; infinite if there
        are no others.
    """
    return float(1 - (others @ vector).max()) if len(others) else np.inf


class SeenDefects:
    """The defects of a training set, to find copies of them by.

    A defect is a copy if it lies nearer to one of its class than (but for
    one in a hundred) real defects of that class lie to each other. Two of
    one image do not count: they may overlap.

    Args:
        data (LabeledImages): The training images.
    """

    def __init__(self, data: LabeledImages) -> None:
        self._seen: list[np.ndarray] = []
        self.limits: list[float] = []
        for found in data.by_class:
            vectors = np.array(
                [thumbnail(crop(data.read(i), d.box)) for i, d in found],
                np.float32,
            ).reshape(-1, SIDE * SIDE)
            images = np.array([index for index, _ in found], int)
            self._seen.append(mirrored(vectors))
            self.limits.append(_usual_distance(vectors, images))

    def is_copy(self, defect: np.ndarray, label: int) -> bool:
        """Whether a defect, uint8 (H, W, C), copies one of its class."""
        near = distance(thumbnail(defect), self._seen[label])
        return near < self.limits[label]


def _usual_distance(vectors: np.ndarray, images: Sequence[int]) -> float:
    """The least distance, but for few, between defects of other images."""
    nearest = []
    for vector, image in zip(vectors, images):
        near = distance(vector, mirrored(vectors[images != image]))
        if np.isfinite(near):
            nearest.append(near)
    # Of a class with defects on one image only nothing is known.
    return float(np.quantile(nearest, QUANTILE)) if nearest else 0.0
