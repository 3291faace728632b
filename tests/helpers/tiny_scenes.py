"""Scenes with boxes that are right, and with one that is not."""

import cv2
import numpy as np

from mmdet_ddpm_moco.bank.scenes import write_scenes
from mmdet_ddpm_moco.utils.provenance import record_images

from .tiny_detection import CLASSES, SIZE


def make_scenes(folder, height=SIZE, sure=True):
    """Two scenes with three boxes each, and one that is never right.

    ``sure=False``: the three are right in half of the cases.
    """
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
                    iscrowd=0,
                    probability=(k < 3) * (1 if sure else 0.5),
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
