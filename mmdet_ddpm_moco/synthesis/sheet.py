"""A picture of a bank: real defects beside synthesised ones."""

import cv2
import numpy as np

from ..datasets.compositing import Box, crop, intersect
from ..datasets.defect_bank import ADD, NULL, REPLACES, DefectBank
from ..datasets.defect_geometry import grow
from ..datasets.labelled_images import BACKGROUND, LabelledImages

CELL = 112  # pixels
GAP = 4
HEAD = 22
COLUMNS = 5
INK = (40, 40, 40)
PAPER = (245, 245, 245)
# Windows of these kinds get a box; the colours are BGR.
COLOURS = {'real': (60, 140, 20), ADD: (200, 90, 20), REPLACES: (20, 90, 220)}


def draw_sheet(bank: DefectBank, data: LabelledImages) -> np.ndarray:
    """Draws one row per class: real on the left, synthesised on the right.

    Boxes are green for real defects, blue for ``add`` and red for
    ``replaces`` windows. Which ones are shown depends on the bank alone.

    Args:
        bank (DefectBank): The bank.
        data (LabelledImages): The images it was made from.

    Returns:
        np.ndarray: BGR uint8 (H, W, 3).
    """
    rng = np.random.RandomState(0)
    windows = [bank[i] for i in range(len(bank))]
    rows = []
    for label, name in enumerate([*bank.classes, BACKGROUND]):
        wanted = -1 if name == BACKGROUND else label
        found = [w for w in windows if w.label == wanted]
        made = []
        for i in rng.permutation(len(found))[:COLUMNS]:
            window = found[i]
            box = (
                None
                if window.kind == NULL
                else _inside(window.box, window.window)
            )
            made.append(
                _cell(bank.read(window)[0], box, COLOURS.get(window.kind))
            )
        real = []
        known = data.by_class[label] if wanted >= 0 else []
        for i in rng.permutation(len(known))[:COLUMNS]:
            index, defect = known[i]
            image = data.images[index]
            window = grow(defect.box, 16, image.size)
            real.append(
                _cell(
                    crop(data.read(index), window),
                    _inside(defect.box, window),
                    COLOURS['real'],
                )
            )
        if made or real:
            rows.append(_row(name, real, made))
    return np.vstack(rows)


def _inside(box: Box, window: Box) -> Box:
    x, y, w, h = intersect(box, window)
    return x - window[0], y - window[1], w, h


def _cell(
    pixels: np.ndarray, box: Box | None, colour: tuple[int, int, int] | None
) -> np.ndarray:
    if pixels.shape[2] == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
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
        cv2.rectangle(pixels, (x, y), (x + bw - 1, y + bh - 1), colour, 1)
    cell = np.full((CELL, CELL, 3), PAPER, np.uint8)
    top, left = (CELL - size[1]) // 2, (CELL - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = pixels
    return cell


def _row(
    name: str, real: list[np.ndarray], made: list[np.ndarray]
) -> np.ndarray:
    step = CELL + GAP
    width = 2 * COLUMNS * step + 4 * GAP
    row = np.full((HEAD + step, width, 3), PAPER, np.uint8)
    middle = COLUMNS * step + 4 * GAP
    for left, kind, cells in (
        (GAP, 'real', real),
        (middle, 'synthesised', made),
    ):
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
