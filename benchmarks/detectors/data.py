"""Drawn images with labeled defects, in two layouts, and a bank on them.

All labeled defects are of the first class, all windows of the bank add one of
the second: whoever sees a label of the second class has met the bank.
"""

import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from mmdet_ddpm_moco.bank.writer import BankWriter

CLASSES = ('dent', 'scratch')
SIDE = 96
IMAGES = 6
LABELED = (8, 10, 26, 22)  # x, y, width, height in pixels
WINDOW = (52, 48, 40, 40)
ADDED = (64, 60, 16, 16)

# The layout of Pascal VOC; COCO's json refers to the same images.
VOC = 'VOC2007'
PREFIX = f'{VOC}/JPEGImages/'
COCO = 'train.json'
# Gray levels: 1 where there is a defect, 2 elsewhere.
SEMANTIC = 'semantic/'


def write_data(root: Path) -> Path:
    """Writes images, maps, ``train.json``, VOC's files and ``bank/``.

    Args:
        root (Path): A folder that is not there yet.

    Returns:
        Path: The same.
    """
    for folder in (
        PREFIX,
        f'{VOC}/Annotations',
        f'{VOC}/ImageSets/Main',
        SEMANTIC,
    ):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = rng.integers(60, 190, (SIDE, SIDE), np.uint8)
        x, y, w, h = LABELED
        pixels[y : y + h, x : x + w] //= 3
        cv2.imwrite(str(root / PREFIX / f'{number}.jpg'), pixels)
        segments = np.full_like(pixels, 2)
        segments[y : y + h, x : x + w] = 1
        cv2.imwrite(str(root / SEMANTIC / f'{number}.png'), segments)
        tree = ElementTree.ElementTree(_voc(number))
        tree.write(root / VOC / 'Annotations' / f'{number}.xml')
    names = '\n'.join(map(str, range(IMAGES)))
    (root / VOC / 'ImageSets/Main/trainval.txt').write_text(names)
    (root / COCO).write_text(json.dumps(_coco()))
    _write_bank(root)
    return root


def _coco() -> dict:
    x, y, w, h = LABELED
    corners = [x, y, x + w, y, x + w, y + h, x, y + h]
    return dict(
        images=[
            dict(
                id=i,
                file_name=f'{i}.jpg',
                width=SIDE,
                height=SIDE,
                # Where LVIS has the name.
                coco_url=f'http://images.cocodataset.org/{i}.jpg',
            )
            for i in range(IMAGES)
        ],
        annotations=[
            dict(
                id=i + 1,
                image_id=i,
                category_id=1,
                bbox=LABELED,
                area=w * h,
                segmentation=[corners],
                iscrowd=0,
            )
            for i in range(IMAGES)
        ],
        categories=[dict(id=i, name=n) for i, n in enumerate(CLASSES, 1)],
    )


def as_panoptic(coco: dict, things: int) -> dict:
    """The annotations of ``train.json`` as panoptic segments.

    Args:
        coco (dict): Its content, perhaps with other categories.
        things (int): As many categories, from the first one on, are things;
            all that is no defect is of the one after them.

    Returns:
        dict: As COCO's panoptic files; its pictures are in ``SEMANTIC``.
    """
    # As a color, a gray level is a number of this many times itself.
    step = 1 + 256 + 256**2
    surface = dict(
        id=2 * step,
        category_id=things + 1,
        bbox=[0, 0, SIDE, SIDE],
        area=SIDE**2,
        iscrowd=0,
    )
    return dict(
        coco,
        annotations=[
            dict(
                image_id=a['image_id'],
                file_name=f'{a["image_id"]}.png',
                segments_info=[dict(a, id=step), surface],
            )
            for a in coco['annotations']
        ],
        categories=[
            dict(category, isthing=int(i < things))
            for i, category in enumerate(coco['categories'])
        ],
    )


def _voc(number: int) -> ElementTree.Element:
    x, y, w, h = LABELED
    size = dict(width=SIDE, height=SIDE, depth=3)
    box = dict(xmin=x + 1, ymin=y + 1, xmax=x + w, ymax=y + h)
    root = ElementTree.Element('annotation')
    for parent, values in (
        (root, dict(filename=f'{number}.jpg')),
        (ElementTree.SubElement(root, 'size'), size),
        (item := ElementTree.SubElement(root, 'object'), dict(difficult=0)),
        (ElementTree.SubElement(item, 'bndbox'), box),
    ):
        for tag, value in values.items():
            ElementTree.SubElement(parent, tag).text = str(value)
    ElementTree.SubElement(item, 'name').text = CLASSES[0]
    return root


def _write_bank(root: Path) -> None:
    writer = BankWriter(root / 'bank', dict(classes=list(CLASSES)))
    x, y, w, h = WINDOW
    left, top, width, height = ADDED
    alpha = np.zeros((h, w), np.uint8)
    alpha[top - y : top - y + height, left - x : left - x + width] = 255
    pictures, records = [], []
    for number in range(IMAGES):
        image = cv2.imread(str(root / PREFIX / f'{number}.jpg'))
        part = image[y : y + h, x : x + w].copy()
        part[alpha > 0] = 255
        pictures.append(np.dstack([part, alpha]))
        records.append(
            dict(
                number=number,
                kind='add',
                label=1,
                source=f'{number}.jpg',
                window=list(WINDOW),
                box=list(ADDED),
                replaces=None,
                rejected=None,
            )
        )
    writer.write_block(0, records, pictures)
    writer.close(IMAGES)
