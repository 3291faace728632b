"""Drawn images and a defect bank on them, to measure the transform on."""

import json
from pathlib import Path

import cv2
import numpy as np

from mmdet_ddpm_moco.bank.compositing import Box, alpha_box, composite, crop
from mmdet_ddpm_moco.bank.format import ADD
from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.datasets.window_geometry import (
    FEATHER,
    defect_alpha,
    find_free_box,
    grow,
)
from mmdet_ddpm_moco.demo.texture import draw_noise, draw_surface

CLASSES = ('pit', 'scratch')
DEFECTS = 5  # labeled ones of an image
WINDOWS = 3  # of an image
WINDOW = 128  # side in pixels
TILE = 512  # side in pixels of what is drawn at once


def write_plates(root: Path, number: int, side: int) -> Path:
    """Writes images of brushed metal, their COCO json and a bank.

    Gray, stored as JPEG of three channels, as many cameras do. Each image has
    ``DEFECTS`` labeled boxes and ``WINDOWS`` windows of the bank, apart from
    each other.

    Args:
        root (Path): Gets ``images/``, ``train.json`` and ``bank/``.
        number (int): Images, at least 1.
        side (int): Height and width in pixels, at least 512.

    Returns:
        Path: ``root``. The same files for the same arguments.
    """
    (root / 'images').mkdir(parents=True)
    images: list[dict] = []
    annotations: list[dict] = []
    records: list[dict] = []
    pictures: list[np.ndarray | None] = []
    for number_of in range(number):
        rng = np.random.RandomState(number_of)
        name = f'plate_{number_of}.jpg'
        # The bank is made from the image as it is decoded.
        image = _written(root / 'images' / name, _plate(number_of, side))
        images.append(
            dict(id=number_of, file_name=name, width=side, height=side)
        )
        taken: list[Box] = []
        for _ in range(DEFECTS):
            box = _free(tuple(rng.randint(16, 90, 2)), side, taken, rng)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number_of,
                    category_id=int(rng.randint(len(CLASSES))) + 1,
                    bbox=[int(value) for value in box],
                    area=int(box[2] * box[3]),
                    iscrowd=0,
                )
            )
        for _ in range(WINDOWS):
            window = _free((WINDOW, WINDOW), side, taken, rng)
            record, picture = _window(image, window, rng)
            records.append(dict(record, number=len(records), source=name))
            pictures.append(picture)
    categories = [dict(id=i + 1, name=n) for i, n in enumerate(CLASSES)]
    (root / 'train.json').write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=categories)
        )
    )
    writer = BankWriter(root / 'bank', dict(classes=list(CLASSES)))
    writer.write_block(0, records, pictures)
    writer.close(len(records))
    return root


def _plate(seed: int, side: int) -> np.ndarray:
    """Tiles of one drawing, mirrored, and noise of its own on all of it."""
    rng = np.random.default_rng(seed)
    tile = draw_surface(rng, TILE)
    pair = np.hstack([tile, tile[:, ::-1]])
    times = -(-side // (2 * TILE))
    surface = np.tile(np.vstack([pair, pair[::-1]]), (times, times))
    surface = 150 * surface[:side, :side] + draw_noise(rng, side)
    return np.clip(np.rint(surface), 0, 255).astype(np.uint8)


def _written(path: Path, gray: np.ndarray) -> np.ndarray:
    image = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return cv2.imread(str(path))


def _free(
    size: tuple, side: int, taken: list[Box], rng: np.random.RandomState
) -> Box:
    """A free place, which is then taken."""
    box = find_free_box(size, (side, side), taken, rng, tries=1000)
    assert box is not None
    taken.append(box)
    return box


def _window(
    image: np.ndarray, window: Box, rng: np.random.RandomState
) -> tuple[dict, np.ndarray]:
    """An elliptic dark defect that fills a window but for its rim."""
    x, y, _, _ = window
    mask = np.zeros(image.shape[:2], bool)
    room = grow(window, -2 * (FEATHER + 1), image.shape[1::-1])
    filled = np.zeros((room[3], room[2]), np.uint8)
    axes = [int(rng.randint(side // 4, side // 2)) for side in room[2:]]
    center = room[2] // 2, room[3] // 2
    cv2.ellipse(filled, center, axes, 0, 0, 360, 1, -1)
    crop(mask, room)[:] = filled > 0
    alpha = defect_alpha(window, image.shape[1::-1], room, mask)
    background = crop(image, window)
    mixed = composite(background, (background * 0.6).astype(np.uint8), alpha)
    tight = alpha_box(alpha)
    assert tight is not None
    record = dict(
        kind=ADD,
        label=int(rng.randint(len(CLASSES))),
        window=[int(value) for value in window],
        box=[int(x + tight[0]), int(y + tight[1]), *tight[2:]],
        replaces=None,
        rejected=None,
    )
    return record, np.dstack([mixed, alpha])
