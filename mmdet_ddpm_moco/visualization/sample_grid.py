"""Grids of real and synthesized windows, a row for each class."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ..bank.compositing import Box, as_bgr, crop, relative
from ..bank.format import NULL
from ..bank.reader import DefectBank
from ..datasets.labeled_images import BACKGROUND, LabeledImages
from ..datasets.window_geometry import grow
from .figure import COLORS

COLUMNS = 5
CELL = 112  # pixels
GAP = 4
HEAD = 22
INK = (40, 40, 40)
PAPER = (245, 245, 245)


def draw_bank(bank: DefectBank, data: LabeledImages) -> np.ndarray:
    """Draws one row per class: real on the left, synthesized on the right.

    Boxes are green for real defects, blue for ``add`` and orange for
    ``replaces`` windows. The row of the background shows the same window
    before and after synthesis. The choice depends on the bank alone; ``data``
    are the images it was made from.

    Returns:
        np.ndarray: BGR uint8 (H, W, 3).
    """
    rng = np.random.RandomState(0)
    windows = [bank[i] for i in range(len(bank))]
    rows = []
    for label, name in enumerate(bank.classes):
        found = [w for w in windows if w.label == label]
        synthesized = [
            draw_cell(bank.read(w)[0], relative(w.box, w.window), w.kind)
            for w in _choose(found, rng)
        ]
        real = []
        for index, defect in _choose(data.by_class[label], rng):
            window = grow(defect.box, 16, data.images[index].size)
            pixels = crop(data.read(index), window)
            box = relative(defect.box, window)
            real.append(draw_cell(pixels, box, 'real'))
        if synthesized or real:
            sides = dict(real=real, synthesized=synthesized)
            rows.append(draw_row(name, sides, COLUMNS))
    null = [
        (index, window)
        for index, image in enumerate(data.images)
        for window in bank.windows_of(image.file_name)
        if window.kind == NULL
    ]
    if null:
        shown = _choose(null, rng)
        sides = dict(
            real=[draw_cell(crop(data.read(i), w.window)) for i, w in shown],
            synthesized=[draw_cell(bank.read(w)[0]) for _, w in shown],
        )
        rows.append(draw_row(BACKGROUND, sides, COLUMNS))
    return np.vstack(rows)


def _choose(found: Sequence, rng: np.random.RandomState) -> list:
    return [found[i] for i in rng.permutation(len(found))[:COLUMNS]]


def draw_cell(
    pixels: np.ndarray, box: Box | None = None, kind: str = 'real'
) -> np.ndarray:
    """Fits a window, and a box in it, into a square cell.

    Args:
        pixels (np.ndarray): uint8 (H, W, 1) or BGR (H, W, 3).
        box (tuple, optional): ``(x, y, w, h)`` in the window.
        kind (str): Key in ``COLORS`` of the box. Defaults to 'real'.

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
        bgr = tuple(bytes.fromhex(COLORS[kind][1:]))[::-1]
        cv2.rectangle(pixels, (x, y), (x + bw - 1, y + bh - 1), bgr, 1)
    cell = np.full((CELL, CELL, 3), PAPER, np.uint8)
    top, left = (CELL - size[1]) // 2, (CELL - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = pixels
    return cell


def draw_row(
    name: str, groups: Mapping[str, Sequence[np.ndarray]], columns: int
) -> np.ndarray:
    """Draws groups of cells side by side, each under its heading.

    Args:
        name (str): What the row shows; part of every heading.
        groups (Mapping[str, Sequence[np.ndarray]]): Cells by kind.
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
