"""Scenes with boxes and a region to ignore."""

import cv2
import numpy as np

from mmdet_ddpm_moco.bank.scenes import write_scenes
from mmdet_ddpm_moco.utils.provenance import record_images

from .tiny_detection import CLASSES, SIZE

# x, y, width, height of the region to ignore, the last of four boxes.
IGNORED = [46, 8, 10, 10]


def make_scenes(folder, height=SIZE):
    """Two scenes with four boxes each, of which one is to be ignored."""
    (folder / 'img').mkdir()
    for i in range(2):
        pixels = np.random.RandomState(90 + i).randint(0, 255, (height, SIZE))
        cv2.imwrite(str(folder / f'img/{i}.png'), pixels.astype(np.uint8))
    write_scenes(
        folder / 'scenes',
        dict(
            images=[
                dict(id=i, file_name=f'{i}.png', width=SIZE, height=height)
                for i in range(2)
            ],
            annotations=[
                dict(
                    id=10 * i + k + 1,
                    area=100,
                    image_id=i,
                    category_id=1,
                    bbox=[4 + 14 * k, 8, 10, 10],
                    iscrowd=int(k == 3),
                    score=0.9,
                )
                for i in range(2)
                for k in range(4)
            ],
            categories=[
                dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)
            ],
        ),
        folder / 'img',
        {},
        record_images((folder / 'img').iterdir()),
    )
    return str(folder / 'scenes')
