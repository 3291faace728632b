"""Rows of small pictures with a heading, of which sheets are made."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ..bank.compositing import Box, as_bgr

CELL = 112  # pixels
GAP = 4
HEAD = 22
INK = (40, 40, 40)
PAPER = (245, 245, 245)


def draw_cell(
    pixels: np.ndarray,
    box: Box | None = None,
    color: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """Fits a window, and a box in it, into a square cell.

    Args:
        pixels (np.ndarray): uint8 (H, W, 1) or BGR (H, W, 3).
        box (tuple, optional): ``(x, y, w, h)`` in the window.
        color (tuple, optional): BGR, of the box.

    Returns:
        np.ndarray: BGR uint8 (CELL, CELL, 3).
    """
    pixels = as_bgr(pixels)
    h, w = pixels.shape[:2]
    scale = CELL / max(h, w)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    pixels = cv2.resize(
        pixels,
        size,
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )
    if box is not None:
        x, y, bw, bh = (round(v * scale) for v in box)
        cv2.rectangle(pixels, (x, y), (x + bw - 1, y + bh - 1), color, 1)
    cell = np.full((CELL, CELL, 3), PAPER, np.uint8)
    top, left = (CELL - size[1]) // 2, (CELL - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = pixels
    return cell


def draw_row(
    name: str, groups: Mapping[str, Sequence[np.ndarray]], columns: int
) -> np.ndarray:
    """Draws groups of cells side by side, each under its heading.

    Args:
        name (str): What the row shows; stands in every heading.
        groups (Mapping[str, Sequence[np.ndarray]]): Cells by what they are.
        columns (int): Cells that a group has room for.

    Returns:
        np.ndarray: BGR uint8 (H, W, 3); H and W depend on the number of
        groups and columns alone.
    """
    step = CELL + GAP
    group_width = columns * step + 3 * GAP
    row = np.full(
        (HEAD + step, GAP + len(groups) * group_width - 3 * GAP, 3),
        PAPER,
        np.uint8,
    )
    for number, (kind, cells) in enumerate(groups.items()):
        left = GAP + number * group_width
        cv2.putText(
            row,
            f'{name}, {kind}',
            (left, HEAD - 7),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            INK,
            1,
            cv2.LINE_AA,
        )
        for i, cell in enumerate(cells):
            x = left + i * step
            row[HEAD : HEAD + CELL, x : x + CELL] = cell
    return row
