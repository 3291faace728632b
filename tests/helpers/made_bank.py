"""Images with bright defects, a bank on them and a judge that detects them."""

import json

import cv2
import numpy as np

from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.datasets.window_geometry import defect_alpha
from mmdet_ddpm_moco.evaluation.judge import Detections

CLASSES = ('dent', 'scratch')
SIZE = (64, 64)
# Of each image: (class, x, y, w, h). Dents are square, scratches long.
REAL = [(0, 8, 8, 10, 10), (1, 40, 8, 6, 16)]
# kind, label, window, box: what is synthesized on each image in turn.
WINDOWS = [
    ('add', 0, (32, 32, 24, 24), (39, 39, 10, 10)),
    ('replaces', 1, (32, 0, 32, 32), (40, 8, 6, 16)),
    ('null', 2, (8, 36, 16, 16), (0, 0, 0, 0)),
    ('add', 1, (30, 30, 32, 32), (42, 38, 6, 16)),
]


def write_images(root, number=12, start=0, classes=CLASSES):
    """Writes images and ``ann.json``; gives both paths."""
    (root / 'images').mkdir(parents=True)
    data = dict(images=[], annotations=[])
    data['categories'] = [
        dict(id=i + 1, name=name) for i, name in enumerate(classes)
    ]
    for i in range(number):
        rng = np.random.RandomState(start + i)
        pixels = rng.randint(60, 140, SIZE).astype(np.uint8)
        name = f'{start + i}.png'
        data['images'].append(
            dict(id=i, file_name=name, width=SIZE[0], height=SIZE[1])
        )
        for label, x, y, w, h in REAL:
            pixels[y : y + h, x : x + w] = 230
            data['annotations'].append(
                dict(
                    id=len(data['annotations']) + 1,
                    image_id=i,
                    category_id=label + 1,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                )
            )
        cv2.imwrite(str(root / 'images' / name), pixels)
    (root / 'ann.json').write_text(json.dumps(data))
    return root / 'ann.json', root / 'images'


def write_bank(root, images, windows=WINDOWS, number=12, invisible=()):
    """Writes a bank: every window on every image.

    Args:
        root (Path): Its folder.
        images (Path): From :func:`write_images`.
        windows (Sequence): As ``WINDOWS``.
        number (int): Images to use.
        invisible (Sequence[int]): Numbers of windows without a defect to be
            seen, of ``null`` windows such with one.
    """
    writer = BankWriter(root, dict(classes=list(CLASSES), max_window=32))
    records, pictures = [], []
    for i in range(number):
        host = cv2.imread(str(images / f'{i}.png'))
        for kind, label, window, box in windows:
            x, y, w, h = window
            place = box if kind != 'null' else (x + 6, y + 6, 5, 5)
            alpha = defect_alpha(window, SIZE, place, None)
            pixels = host[y : y + h, x : x + w].copy()
            seen = (kind != 'null') != (len(records) in invisible)
            pixels[alpha == 255] = 250 if seen else 100
            pictures.append(np.dstack([pixels, alpha]))
            records.append(
                dict(
                    number=len(records),
                    kind=kind,
                    label=label,
                    source=f'{i}.png',
                    window=list(window),
                    box=list(box),
                    replaces=2 * i + 2 if kind == 'replaces' else None,
                    rejected=None,
                )
            )
    writer.write_block(0, records, pictures)
    writer.close(len(records))
    return DefectBank(root)


def load(paths, channels=1):
    return LabeledImages(*paths, channels)


class BrightJudge:
    """Detects what is bright; a scratch is what is long."""

    def detect(self, images):
        for image in images:
            assert image.dtype == np.uint8 and image.shape[2] == 3
            bright = (image.min(axis=2) > 200).astype(np.uint8)
            _, _, found, _ = cv2.connectedComponentsWithStats(bright)
            found = found[1:]
            x, y, w, h = found[:, :4].T
            yield Detections(
                np.stack([x, y, x + w, y + h], 1).astype(np.float32),
                np.full(len(found), 0.9, np.float32),
                (h > 1.5 * w).astype(np.int64),
            )
