"""A picture of a bank: real defects beside synthesized ones."""

from collections.abc import Sequence

import numpy as np

from ..bank.compositing import crop, relative
from ..bank.reader import ADD, NULL, REPLACES, DefectBank
from ..datasets.labeled_images import BACKGROUND, LabeledImages
from ..datasets.window_geometry import grow
from .sample_grid import draw_cell, draw_row

COLUMNS = 5
# Windows of these kinds get a box; the colors are BGR.
COLORS = {'real': (60, 140, 20), ADD: (200, 90, 20), REPLACES: (20, 90, 220)}


def draw_bank_grid(bank: DefectBank, data: LabeledImages) -> np.ndarray:
    """Draws one row per class: real on the left, synthesized on the right.

    Boxes are green for real defects, blue for ``add`` and red for
    ``replaces`` windows. Beside background stands the same ground before it
    was synthesized. What is shown depends on the bank alone.

    Args:
        bank (DefectBank): The bank.
        data (LabeledImages): The images it was made from.

    Returns:
        np.ndarray: BGR uint8 (H, W, 3).
    """
    rng = np.random.RandomState(0)
    windows = [bank[i] for i in range(len(bank))]
    rows = []
    for label, name in enumerate(bank.classes):
        found = [w for w in windows if w.label == label]
        made = [
            draw_cell(
                bank.read(w)[0], relative(w.box, w.window), COLORS[w.kind]
            )
            for w in _some(found, rng)
        ]
        real = []
        for index, defect in _some(data.by_class[label], rng):
            window = grow(defect.box, 16, data.images[index].size)
            real.append(
                draw_cell(
                    crop(data.read(index), window),
                    relative(defect.box, window),
                    COLORS['real'],
                )
            )
        if made or real:
            sides = dict(real=real, synthesized=made)
            rows.append(draw_row(name, sides, COLUMNS))
    null = [
        (index, window)
        for index, image in enumerate(data.images)
        for window in bank.windows_of(image.file_name)
        if window.kind == NULL
    ]
    if null:
        shown = _some(null, rng)
        sides = dict(
            real=[draw_cell(crop(data.read(i), w.window)) for i, w in shown],
            synthesized=[draw_cell(bank.read(w)[0]) for _, w in shown],
        )
        rows.append(draw_row(BACKGROUND, sides, COLUMNS))
    return np.vstack(rows)


def _some(found: Sequence, rng: np.random.RandomState) -> list:
    return [found[i] for i in rng.permutation(len(found))[:COLUMNS]]
