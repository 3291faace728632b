"""A picture of a bank: real defects beside synthesised ones."""

import numpy as np

from ..datasets.compositing import Box, crop, intersect
from ..datasets.defect_bank import ADD, NULL, REPLACES, DefectBank
from ..datasets.defect_geometry import grow
from ..datasets.labelled_images import BACKGROUND, LabelledImages
from .picture_rows import draw_cell, draw_row

COLUMNS = 5
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
                draw_cell(bank.read(window)[0], box, COLOURS.get(window.kind))
            )
        real = []
        known = data.by_class[label] if wanted >= 0 else []
        for i in rng.permutation(len(known))[:COLUMNS]:
            index, defect = known[i]
            image = data.images[index]
            window = grow(defect.box, 16, image.size)
            real.append(
                draw_cell(
                    crop(data.read(index), window),
                    _inside(defect.box, window),
                    COLOURS['real'],
                )
            )
        if made or real:
            sides = dict(real=real, synthesised=made)
            rows.append(draw_row(name, sides, COLUMNS))
    return np.vstack(rows)


def _inside(box: Box, window: Box) -> Box:
    x, y, w, h = intersect(box, window)
    return x - window[0], y - window[1], w, h
