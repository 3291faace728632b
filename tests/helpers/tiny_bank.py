"""A bank of six small windows, on images with equal names."""

import numpy as np

from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.datasets.window_geometry import defect_alpha

SIZE = (100, 80)
CLASSES = ['pit', 'scratch']
# number, kind, label, source, window, box
WINDOWS = [
    (0, 'add', 0, 'b/1.png', (10, 20, 48, 32), (30, 30, 12, 8)),
    (1, 'null', 2, 'a/1.png', (0, 0, 32, 32), (0, 0, 0, 0)),
    (3, 'replaces', 1, 'b/1.png', (40, 16, 32, 48), (20, 25, 70, 20)),
    (4, 'add', 1, 'a/1.png', (52, 32, 48, 48), (80, 60, 20, 20)),
    (5, 'add', 1, '1.png', (0, 40, 32, 32), (8, 50, 10, 12)),
    (7, 'add', 1, 'b/1.png', (0, 0, 16, 16), (6, 7, 1, 2)),
]


def picture(number, kind, window, box) -> np.ndarray:
    x, y, w, h = window
    shape = box if kind != 'null' else (x + 8, y + 8, 6, 6)
    pixels = np.random.RandomState(number).randint(0, 256, (h, w, 3))
    alpha = defect_alpha(window, SIZE, shape, None)
    return np.dstack([pixels.astype(np.uint8), alpha])


def write(root, windows=WINDOWS, num=99, hosts=()):
    """A bank of two blocks; window 2 did not pass a gate."""
    writer = BankWriter(root, dict(classes=CLASSES, seed=0))
    for block, members in enumerate((windows[:3], windows[3:])):
        records, pictures = [], []
        for number, kind, label, source, window, box in members:
            records.append(
                dict(
                    number=number,
                    kind=kind,
                    label=label,
                    source=source,
                    window=list(window),
                    box=list(box),
                    replaces=17 if kind == 'replaces' else None,
                    rejected=None,
                )
            )
            pictures.append(picture(number, kind, window, box))
        if block == 0:
            refused = dict(records[0], number=2, rejected='nothing visible')
            records.append(refused)
            pictures.append(None)
        writer.write_block(block, records, pictures)
    writer.close(num, hosts=hosts)
    return root


def numbers(windows) -> list[int]:
    return [window.number for window in windows]
