"""Banks with each window in a color of its own.

So the image shows which windows were pasted.
"""

import numpy as np
from mmdet.structures.bbox import HorizontalBoxes

from mmdet_ddpm_moco.bank.compositing import composite, crop
from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.datasets.window_geometry import defect_alpha

W, H = 160, 120
CLASSES = ['pit', 'scratch']
BIG, SMALL = (70, 10, 60, 90), (20, 30, 16, 12)
ADD = dict(kind='add', label=1, window=(0, 60, 48, 48), box=(12, 70, 20, 30))
REPLACES = dict(kind='replaces', label=0, window=(8, 16, 40, 40), box=SMALL)
PART = dict(kind='replaces', label=1, window=(80, 20, 40, 40), box=BIG)
NULL = dict(kind='null', label=2, window=(0, 60, 48, 48), box=(0, 0, 0, 0))


def grain(seed=0):
    image = np.random.RandomState(seed).randint(90, 160, (H, W, 3))
    return image.astype(np.uint8)


def color(number):
    """Unlike the grain, and another one for each window."""
    return np.array([250 - number, 10 + number, 200 + number], np.uint8)


def alpha_of(window):
    x, y = window['window'][:2]
    shape = window['box'] if any(window['box']) else (x + 9, y + 9, 20, 10)
    return defect_alpha(window['window'], (W, H), shape, window.get('mask'))


def make_augment(
    folder, *windows, image=None, prob=1, max_windows=4, **options
) -> DiffusionDefectAugment:
    """Writes a bank of the given windows below a folder and opens it."""
    root = folder / f'bank{len(list(folder.iterdir()))}'
    writer = BankWriter(root, dict(classes=CLASSES))
    image = grain() if image is None else image
    records, pictures = [], []
    for number, window in enumerate(windows):
        background = crop(image, window['window'])
        painted = np.broadcast_to(color(number), background.shape)
        alpha = alpha_of(window)
        mixed = composite(background, painted, alpha)
        pictures.append(np.dstack([mixed, alpha]))
        records.append(
            dict(
                number=number,
                kind=window['kind'],
                label=window['label'],
                source=window.get('source', 'set/1.png'),
                window=list(window['window']),
                box=list(window['box']),
                replaces=None,
                rejected=None,
            )
        )
    writer.write_block(0, records, pictures)
    writer.close(len(windows))
    return DiffusionDefectAugment(
        str(root), prob=prob, max_windows=max_windows, **options
    )


def sample(boxes=(SMALL, BIG), labels=(0, 1), image=None, masks=None):
    """As LoadAnnotations leaves it; boxes are (x, y, w, h)."""
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    results = dict(
        img=grain() if image is None else image.copy(),
        img_path='/data/set/1.png',
        img_shape=(H, W),
        ori_shape=(H, W),
        gt_bboxes=HorizontalBoxes(corners),
        gt_bboxes_labels=np.array(labels, np.int64),
        gt_ignore_flags=np.zeros(len(corners), bool),
    )
    if masks is not None:
        results['gt_masks'] = masks
    return results


def corners_of(results):
    return results['gt_bboxes'].tensor.tolist()


def shown(results, windows):
    """Numbers of the windows that are entirely visible."""
    found = []
    for number, window in enumerate(windows):
        inside = alpha_of(window) == 255
        part = crop(results['img'], window['window'])[inside]
        if (part == color(number)).all():
            found.append(number)
    return found
