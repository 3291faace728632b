"""What all diagrams share: colors of windows, and PNGs without a display."""

import io
from pathlib import Path
from typing import Any

from ..utils.fileio import atomic_write_bytes

# RGB, by the kind of a window, or by where a box comes from.
COLORS = dict(
    all='#000000',
    real='#148c3c',
    training='#148c3c',
    add='#145ac8',
    replaces='#dc5a14',
    scene='#8c28aa',
)


def make_figure(width: float, height: float) -> Any:
    """An empty figure of a size in inches."""
    # Not pyplot: it would look for a display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout='constrained')


def save_figure(figure: Any, file: str | Path, dpi: int = 100) -> None:
    """Writes a figure as PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=dpi, metadata={'Software': None})
    atomic_write_bytes(file, buffer.getvalue())
