"""A picture of synthesised windows and their nearest training windows."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..atomic_write import atomic_write_bytes
from .distributions import Measured
from .neighbours import Nearest
from .windows import DefectWindow

MOST_ROWS = 24
COLOURS = dict(real='#3c8c14', add='#145ac8', replaces='#dc5a14')


def choose_rows(bank: Measured, found: Nearest) -> list[int]:
    """Chooses the windows to show: of each class and kind two.

    Args:
        bank (Measured): Synthesised windows.
        found (Nearest): Their neighbours.

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


def draw_neighbours(
    bank: Measured,
    train: Measured,
    found: Nearest,
    classes: Sequence[str],
    file: str | Path,
) -> None:
    """Draws one row for each chosen window.

    Args:
        bank (Measured): Synthesised windows, at least one.
        train (Measured): Training windows.
        found (Nearest): The neighbours.
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
        'Synthesised windows (left) and their nearest training windows.\n'
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
    colour = COLOURS[window.kind]
    xs = np.array([x, x + w, x + w, x, x]) - 0.5
    ys = np.array([y, y, y + h, y + h, y]) - 0.5
    axes.plot(xs, ys, color=colour, linewidth=1)
    axes.set_title(text, fontsize=7, color=colour, pad=2)
    axes.set_axis_off()
