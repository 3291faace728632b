"""The data that the stages are checked on."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

CLASSES = (
    'crazing',
    'inclusion',
    'patches',
    'pitted_surface',
    'rolled-in_scale',
    'scratches',
)
SIDE = 200
# Splits that the configs of NEU-DET name, and drawn images in each.
DRAWN = dict(train=48, train_20=24, val=12, test=12)
STAND_IN = 'drawn images, not NEU-DET'


def prepare_data(root: Path, source: Path | None, folder: Path) -> str:
    """Makes ``folder/data/NEU-DET``, which the configs name.

    Args:
        root (Path): The source tree.
        source (Path, optional): NEU-DET with its XML files. None draws
            images in its place.
        folder (Path): Where the stages run.

    Returns:
        str: What the data are.

    Raises:
        RuntimeError: The folder cannot be converted.
    """
    data = folder / 'data' / 'NEU-DET'
    note = data / 'check_gpu.txt'
    if note.exists():
        return note.read_text()
    if source is None:
        draw_images(data)
        what = STAND_IN
    else:
        convert(root, source, data)
        what = 'NEU-DET'
    note.write_text(what)
    return what


def convert(
    root: Path, source: Path, data: Path, options: Sequence[str] = ()
) -> None:
    """Runs ``tools/prepare_dataset.py``, as the README says."""
    command = [
        sys.executable,
        str(root / 'tools' / 'prepare_dataset.py'),
        'voc',
        str(source.resolve()),
        str(data),
        *(options or ('--few-shot', '20')),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    if done.returncode:
        msg = f'{" ".join(command)} failed:\n{done.stderr[-2000:]}'
        raise RuntimeError(msg)


def draw_images(data: Path) -> None:
    """Draws noise with dark boxes, in the form of a converted NEU-DET."""
    rng = np.random.RandomState(0)
    (data / 'annotations').mkdir(parents=True, exist_ok=True)
    (data / 'images').mkdir(exist_ok=True)
    number = 0
    for split, count in DRAWN.items():
        coco = dict(
            images=[],
            annotations=[],
            categories=[
                dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)
            ],
        )
        for index in range(count):
            number += 1
            name = f'{CLASSES[index % 6]}_{number}.jpg'
            pixels = rng.normal(130, 12, (SIDE, SIDE))
            for label in (index % 6, (index + 1) % 6)[: 1 + index % 2]:
                w, h = rng.randint(20, 60, 2)
                x, y = rng.randint(0, SIDE - w), rng.randint(0, SIDE - h)
                pixels[y : y + h, x : x + w] -= 25 + 8 * label
                coco['annotations'].append(
                    dict(
                        id=len(coco['annotations']) + 1,
                        image_id=number,
                        category_id=label + 1,
                        bbox=[int(x), int(y), int(w), int(h)],
                        area=int(w * h),
                        iscrowd=0,
                    )
                )
            image = np.dstack([pixels.clip(0, 255).astype(np.uint8)] * 3)
            cv2.imwrite(str(data / 'images' / name), image)
            coco['images'].append(
                dict(id=number, file_name=name, width=SIDE, height=SIDE)
            )
        file = data / 'annotations' / f'{split}.json'
        file.write_text(json.dumps(coco))
