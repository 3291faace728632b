"""Pictures of training samples, boxes colored by where they come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..bank.compositing import as_bgr
from ..utils.fileio import atomic_write_bytes
from .figure import COLORS
from .sample_grid import INK, PAPER

COLUMNS = 4
CELL = 360  # pixels
LEGEND = 26
# Shorter side, in pixels, to which a small picture is enlarged.
LEAST = 480
# Text of the legend, by the origin of a box.
MEANING = dict(
    real='real',
    add='added',
    replaces='replaced',
    scene='pseudo-labeled',
)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_sample(
    image: np.ndarray,
    corners: np.ndarray,
    names: Sequence[str],
    origins: Sequence[str],
    scale: float | None = None,
) -> np.ndarray:
    """Draws the boxes of a sample, with the names of their classes.

    Args:
        image (np.ndarray): uint8 (H, W, 1) or (H, W, 3).
        corners (np.ndarray): (N, 4), x0, y0, x1, y1 in pixels.
        names (Sequence[str]): N names.
        origins (Sequence[str]): N keys of ``MEANING``.
        scale (float, optional): Of the picture to the image. Defaults to
            None: small images are enlarged, others stay.

    Returns:
        np.ndarray: uint8 (H, W, 3).
    """
    height, width = image.shape[:2]
    if scale is None:
        scale = max(1, LEAST // min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk = scale < 1
    picture = cv2.resize(
        np.ascontiguousarray(as_bgr(image)),
        size,
        interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_NEAREST,
    )
    for box, name, origin in zip(corners, names, origins):
        x0, y0, x1, y1 = (round(float(v) * scale) for v in box)
        color = _bgr(origin)
        cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), color, 2)
        (w, h), _ = cv2.getTextSize(name, _FONT, 0.4, 1)
        left = max(0, min(x0, size[0] - w - 4))
        top = max(0, y0 - h - 6)
        corner = left + w + 4, top + h + 5
        cv2.rectangle(picture, (left, top), corner, color, -1)
        place = left + 2, top + h + 2
        _write(picture, name, place, (255, 255, 255))
    return picture


def with_legend(picture: np.ndarray, counts: Mapping[str, int]) -> np.ndarray:
    """A picture over a legend of its colors, with the number of boxes."""
    texts = [
        (origin, f'{text}: {counts.get(origin, 0)}')
        for origin, text in MEANING.items()
    ]
    steps = [cv2.getTextSize(t, _FONT, 0.4, 1)[0][0] + 34 for _, t in texts]
    height, width = picture.shape[:2]
    page = np.full(
        (height + LEGEND, max(width, sum(steps)), 3), PAPER, np.uint8
    )
    page[:height, :width] = picture
    strip, x = page[height:], 8
    for (origin, text), step in zip(texts, steps):
        cv2.rectangle(strip, (x, 7), (x + 12, 19), _bgr(origin), -1)
        _write(strip, text, (x + 18, 18), INK)
        x += step
    return page


def draw_grid(
    cells: Sequence[np.ndarray], counts: Mapping[str, int]
) -> np.ndarray:
    """Cells of :func:`draw_cell` in rows, and the legend below.

    Returns:
        np.ndarray: uint8 (H, W, 3).
    """
    columns = min(COLUMNS, len(cells))
    blank = np.full((CELL, CELL, 3), PAPER, np.uint8)
    cells = [*cells, *[blank] * (-len(cells) % columns)]
    rows = [
        np.hstack(cells[i : i + columns])
        for i in range(0, len(cells), columns)
    ]
    return with_legend(np.vstack(rows), counts)


def draw_cell(
    image: np.ndarray,
    corners: np.ndarray,
    names: Sequence[str],
    origins: Sequence[str],
) -> np.ndarray:
    """A sample fitted into a square of ``CELL`` pixels."""
    room = CELL - 4
    height, width = image.shape[:2]
    picture = draw_sample(
        image, corners, names, origins, room / max(height, width)
    )
    cell = np.full((CELL, CELL, 3), PAPER, np.uint8)
    h, w = picture.shape[:2]
    cell[2 : 2 + h, 2 : 2 + w] = picture
    return cell


def write_picture(file: str | Path, picture: np.ndarray) -> None:
    """Writes a picture as PNG."""
    atomic_write_bytes(file, cv2.imencode('.png', picture)[1].tobytes())


def _bgr(origin: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(COLORS[origin][1:]))[::-1]


def _write(
    picture: np.ndarray,
    text: str,
    place: tuple[int, int],
    color: tuple[int, ...],
) -> None:
    cv2.putText(picture, text, place, _FONT, 0.4, color, 1, cv2.LINE_AA)
