"""What a detector does, as pictures: curves of each class, confusions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .figure import make_figure, save_figure

_SIDE = 0.45  # inches of a cell of a confusion matrix


def plot_precision_recall(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    file: str | Path,
) -> None:
    """Plots precision over recall, a line for each class.

    Args:
        curves (Mapping): Recalls and precisions by class name, in [0, 1].
        title (str): What is matched, and from which IoU on.
        file (str | Path): Becomes a PNG.
    """
    figure = make_figure(6.5, 4.5)
    axes = figure.subplots()
    for number, (name, (recall, precision)) in enumerate(curves.items()):
        # Ten colors; a class more is told apart by its dashes.
        style = ('-', '--', ':', '-.')[number // 10 % 4]
        label = name.replace('$', r'\$')  # no formula
        axes.plot(recall, precision, style, label=label)
    axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(title)
    axes.grid(alpha=0.3)
    if curves:
        figure.legend(loc='outside right upper', fontsize='small')
    save_figure(figure, file, dpi=120)


def plot_confusion_matrix(
    counts: np.ndarray, classes: Sequence[str], title: str, file: str | Path
) -> None:
    """Plots a confusion matrix; colors are shares of a row.

    Args:
        counts (np.ndarray): int64 (classes + 1, classes + 1), see
            :func:`.evaluation.confusion_matrix.confusion_matrix`.
        classes (Sequence[str]): Their names.
        title (str): Which detections count.
        file (str | Path): Becomes a PNG.
    """
    names = [name.replace('$', r'\$') for name in classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + _SIDE * len(counts)
    figure = make_figure(side + 0.5, side)
    axes = figure.subplots()
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    places = range(len(counts))
    axes.set_xticks(places, [*names, '(missed)'], rotation=45, ha='right')
    axes.set_yticks(places, [*names, '(background)'])
    axes.set(xlabel='detected', ylabel='true')
    axes.set_title(title, fontsize='medium')
    for row in places:
        for column in places:
            if counts[row, column]:
                dark = shares[row, column] > 0.5
                axes.text(
                    column,
                    row,
                    str(counts[row, column]),
                    ha='center',
                    va='center',
                    fontsize='small',
                    color='white' if dark else 'black',
                )
    save_figure(figure, file, dpi=120)
