"""Nearest training windows of synthesized ones: is it copied?

Distances between features are in no unit, so they are told relative to how
near the training set's own windows lie to each other.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from .distributions import Measured
from .windows import DefectWindow

CHUNK = 1024
# Of the training windows' own distances: what is nearer is suspiciously so.
SUSPICIOUS = 0.05


@dataclass(frozen=True)
class Nearest:
    """The nearest training windows of N synthesized ones.

    Attributes:
        indices (np.ndarray): int (N, k), into the training windows, the
            nearest first.
        distances (np.ndarray): float64 (N, k), in units of ``unit``.
        elsewhere (np.ndarray): float64 (N, ), distance to the nearest window
            of any image but the host, likewise.
        own (np.ndarray): float64 (M, ), of each training window to the
            nearest of another image, likewise.
        unit (float): Median of such distances between features.
    """

    indices: np.ndarray
    distances: np.ndarray
    elsewhere: np.ndarray
    own: np.ndarray
    unit: float


def nearest(
    query: Tensor,
    pool: Tensor,
    k: int,
    query_images: Sequence[int] | None = None,
    pool_images: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest neighbors by Euclidean distance.

    Args:
        query (torch.Tensor): float (N, D).
        pool (torch.Tensor): float (M, D).
        k (int): How many, at most M.
        query_images (Sequence[int] | None): Image of each query; then only
            windows of other images count. Defaults to None.
        pool_images (Sequence[int] | None): Image of each of the pool.

    Returns:
        tuple[np.ndarray, np.ndarray]: Indices, int64 (N, k), and distances,
        float64 (N, k), the nearest first; inf where there is no other
        image.
    """
    indices, distances = [], []
    for first in range(0, len(query), CHUNK):
        part = slice(first, first + CHUNK)
        # The quick way through the scalar product loses small distances.
        found = torch.cdist(
            query[part].double(),
            pool.double(),
            compute_mode='donot_use_mm_for_euclid_dist',
        )
        if query_images is not None:
            same = torch.tensor(query_images)[part, None] == torch.tensor(
                pool_images
            )
            found[same] = torch.inf
        values, places = found.topk(k, largest=False)
        indices.append(places.numpy())
        distances.append(values.numpy())
    return np.concatenate(indices), np.concatenate(distances)


def nearest_training_windows(
    bank: Measured, train: Measured, k: int = 5
) -> Nearest:
    """Finds the nearest training windows of each synthesized one.

    Args:
        bank (Measured): Synthesized windows, at least one.
        train (Measured): The windows of the training images, of at least
            two images.
        k (int): How many to keep. Defaults to 5.

    Returns:
        Nearest: See there.

    Raises:
        ValueError: There are no two training images with defects.
    """
    images = [w.image for w in train.windows]
    if len(set(images)) < 2:
        msg = (
            'neighbors are judged by how near windows of different training '
            'images lie; there must be two such images with defects'
        )
        raise InputError(msg)
    _, own = nearest(train.features, train.features, 1, images, images)
    unit = float(np.median(own)) or 1.0
    indices, distances = nearest(
        bank.features, train.features, min(k, len(images))
    )
    _, elsewhere = nearest(
        bank.features,
        train.features,
        1,
        [w.image for w in bank.windows],
        images,
    )
    return Nearest(
        indices=indices,
        distances=distances / unit,
        elsewhere=elsewhere[:, 0] / unit,
        own=own[:, 0] / unit,
        unit=unit,
    )


def summarize(bank: Measured, found: Nearest) -> dict[str, dict]:
    """How near a bank lies to the training windows of other images.

    Args:
        bank (Measured): Synthesized windows.
        found (Nearest): Their neighbors.

    Returns:
        dict[str, dict]: By kind, with ``'real'`` for the training windows
        among themselves: ``n``, ``median`` of the relative distance and
        ``suspicious``, the share that lies nearer than 95 % of the training
        windows do.
    """
    limit = float(np.quantile(found.own, SUSPICIOUS))
    kinds = np.array([w.kind for w in bank.windows])
    groups = {'real': found.own}
    for kind in sorted(set(kinds)):
        groups[kind] = found.elsewhere[kinds == kind]
    return {
        name: dict(
            n=len(values),
            median=float(np.median(values)),
            suspicious=float((values < limit).mean()),
        )
        for name, values in groups.items()
    }


MOST_ROWS = 24
COLORS = dict(real='#3c8c14', add='#145ac8', replaces='#dc5a14')


def choose_rows(bank: Measured, found: Nearest) -> list[int]:
    """Chooses the windows to show: of each class and kind two.

    Args:
        bank (Measured): Synthesized windows.
        found (Nearest): Their neighbors.

    Returns:
        list[int]: Indices: of each the one that lies nearest to another
        image's window and one at random, the same each time.
    """
    rng = np.random.RandomState(0)
    kinds = np.array([w.kind for w in bank.windows])
    rows = []
    for label in np.unique(bank.labels):
        for kind in ('add', 'replaces'):
            group = np.flatnonzero((bank.labels == label) & (kinds == kind))
            if not len(group):
                continue
            closest = group[found.elsewhere[group].argmin()]
            others = group[group != closest]
            rows.append(int(closest))
            if len(others):
                rows.append(int(rng.choice(others)))
    return rows[:MOST_ROWS]


def draw_neighbors(
    bank: Measured,
    train: Measured,
    found: Nearest,
    classes: Sequence[str],
    file: str | Path,
) -> None:
    """Draws one row for each chosen window.

    Args:
        bank (Measured): Synthesized windows, at least one.
        train (Measured): Training windows.
        found (Nearest): The neighbors.
        classes (Sequence[str]): Class names by label.
        file (str | Path): The PNG.
    """
    # Not pyplot: it would look for a screen.
    from matplotlib.figure import Figure

    rows = choose_rows(bank, found)
    columns = 1 + found.indices.shape[1]
    figure = Figure(
        figsize=(1.6 * columns + 0.4, 1.72 * len(rows) + 0.7),
        layout='constrained',
    )
    figure.suptitle(
        'Synthesized windows (left) and their nearest training windows.\n'
        'Numbers: distance of features; 1 is the median between training '
        'images.',
        fontsize=9,
    )
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for row, index in enumerate(rows):
        window = bank.windows[index]
        _show(grid[row, 0], window, f'{classes[window.label]}, {window.kind}')
        for column in range(1, columns):
            other = train.windows[found.indices[index, column - 1]]
            text = f'{found.distances[index, column - 1]:.2f}'
            if other.image == window.image:
                text += ' same image'
            elif other.label != window.label:
                text += f' {classes[other.label]}'
            _show(grid[row, column], other, text)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=80, metadata={'Software': None})
    atomic_write_bytes(file, buffer.getvalue())


def _show(axes: object, window: DefectWindow, text: str) -> None:
    axes.imshow(window.pixels[..., ::-1], vmin=0, vmax=255)
    x, y, w, h = window.box
    color = COLORS[window.kind]
    xs = np.array([x, x + w, x + w, x, x]) - 0.5
    ys = np.array([y, y, y + h, y + h, y]) - 0.5
    axes.plot(xs, ys, color=color, linewidth=1)
    axes.set_title(text, fontsize=7, color=color, pad=2)
    axes.set_axis_off()
