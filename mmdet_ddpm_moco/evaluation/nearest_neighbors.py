"""Nearest training windows of synthesized ones: are they copies?

Distances of features have no unit, so they are given relative to those
between windows of different training images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..utils.errors import InputError
from ..visualization.figure import COLORS, make_figure, save_figure
from .distributions import WindowSet
from .windows import DefectWindow

CHUNK = 1024
# Quantile of the distances between training windows below which a
# synthesized window counts as a near duplicate.
NEAR = 0.05
MAX_ROWS = 24


@dataclass(frozen=True)
class Neighbors:
    """The nearest training windows of N synthesized ones.

    Distances are in units of ``unit``.
    """

    indices: np.ndarray  # int (N, k), of training windows, nearest first
    distances: np.ndarray  # float64 (N, k)
    elsewhere: np.ndarray  # float64 (N, ), to the nearest of other images
    train: np.ndarray  # float64 (M, ), likewise of each training window
    unit: float  # median of `train` between features


def nearest(
    query: Tensor,
    pool: Tensor,
    k: int,
    query_images: Sequence[int] | np.ndarray | None = None,
    pool_images: Sequence[int] | np.ndarray | None = None,
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
        # The default by matrix products is inexact for small distances.
        found = torch.cdist(
            query[part].double(),
            pool.double(),
            compute_mode='donot_use_mm_for_euclid_dist',
        )
        if query_images is not None:
            own = torch.as_tensor(query_images)[part, None]
            found[own == torch.as_tensor(pool_images)] = torch.inf
        values, places = found.topk(k, largest=False)
        indices.append(places.numpy())
        distances.append(values.numpy())
    return np.concatenate(indices), np.concatenate(distances)


def nearest_training_windows(
    bank: WindowSet, train: WindowSet, k: int = 5
) -> Neighbors:
    """Finds the ``k`` nearest training windows of each synthesized one.

    Raises:
        ValueError: There are no two training images with defects.
    """
    images = train.images
    if len(set(images)) < 2:
        msg = (
            'distances are relative to those between windows of different '
            'training images; there must be two such images with defects'
        )
        raise InputError(msg)
    _, own = nearest(train.features, train.features, 1, images, images)
    _, elsewhere = nearest(
        bank.features, train.features, 1, bank.images, images
    )
    k = min(k, len(images))
    indices, distances = nearest(bank.features, train.features, k)
    unit = float(np.median(own)) or 1.0
    return Neighbors(
        indices,
        distances / unit,
        elsewhere[:, 0] / unit,
        own[:, 0] / unit,
        unit,
    )


def summarize(bank: WindowSet, found: Neighbors) -> dict[str, dict]:
    """Distances of a bank to the training windows of other images.

    Returns:
        dict[str, dict]: By kind, with ``'real'`` for the training windows:
        ``n``, ``median`` of the relative distance and ``near_duplicates``,
        the share with a smaller distance than 95 % of the training windows.
    """
    limit = float(np.quantile(found.train, NEAR))
    groups = {'real': found.train}
    for kind in np.unique(bank.kinds):
        groups[str(kind)] = found.elsewhere[bank.kinds == kind]
    return {
        name: dict(
            n=len(values),
            median=float(np.median(values)),
            near_duplicates=float((values < limit).mean()),
        )
        for name, values in groups.items()
    }


def choose_rows(bank: WindowSet, found: Neighbors) -> list[int]:
    """Indices of two windows of each class and kind to show.

    The one nearest to a window of another image and a random one, the same
    each time.
    """
    rng = np.random.RandomState(0)
    rows = []
    for label in np.unique(bank.labels):
        for kind in ('add', 'replaces'):
            group = np.flatnonzero(
                (bank.labels == label) & (bank.kinds == kind)
            )
            if not len(group):
                continue
            closest = group[found.elsewhere[group].argmin()]
            others = group[group != closest]
            rows.append(int(closest))
            if len(others):
                rows.append(int(rng.choice(others)))
    return rows[:MAX_ROWS]


def draw_neighbors(
    bank: WindowSet,
    train: WindowSet,
    found: Neighbors,
    classes: Sequence[str],
    file: str | Path,
) -> None:
    """Draws chosen windows, each in a row with its neighbors, as a PNG."""
    rows = choose_rows(bank, found)
    columns = 1 + found.indices.shape[1]
    figure = make_figure(1.6 * columns + 0.4, 1.72 * len(rows) + 0.7)
    figure.suptitle(
        'Synthesized windows (left) and their nearest training windows.\n'
        'Numbers: distance of features; 1 is the median between training '
        'images.',
        fontsize=9,
    )
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for row, index in zip(grid, rows):
        window = bank.windows[index]
        _show(row[0], window, f'{classes[window.label]}, {window.kind}')
        neighbors = zip(found.indices[index], found.distances[index])
        for axes, (neighbor, distance) in zip(row[1:], neighbors):
            other = train.windows[neighbor]
            text = f'{distance:.2f}'
            if other.image == window.image:
                text += ' same image'
            elif other.label != window.label:
                text += f' {classes[other.label]}'
            _show(axes, other, text)
    save_figure(figure, file, dpi=80)


def _show(axes: Any, window: DefectWindow, text: str) -> None:
    axes.imshow(window.pixels[..., ::-1], vmin=0, vmax=255)
    x, y, w, h = window.box
    color = COLORS[window.kind]
    xs = np.array([x, x + w, x + w, x, x]) - 0.5
    ys = np.array([y, y, y + h, y + h, y]) - 0.5
    axes.plot(xs, ys, color=color, linewidth=1)
    axes.set_title(text, fontsize=7, color=color, pad=2)
    axes.set_axis_off()
