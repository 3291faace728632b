"""The data that the stages are checked on."""

import json
import shutil
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
# Splits that the configs of NEU-DET name, and drawn images in each; the few
# shots are the first of train.
DRAWN = dict(train=48, val=12, test=12)
SHOTS = 24
STAND_IN = 'drawn images, not NEU-DET'
NOTE = 'data.json'


def prepare_data(root: Path, source: Path | None, folder: Path) -> str:
    """Makes ``folder/data/NEU-DET``, which the configs name.

    Args:
        root (Path): The source tree.
        source (Path, optional): NEU-DET with its XML files. None takes what
            is there already, or draws images.
        folder (Path): Where the stages run.

    Returns:
        str: What the data are.

    Raises:
        RuntimeError: The folder cannot be converted.
    """
    data = folder / 'data' / 'NEU-DET'
    wanted = dict(
        what='NEU-DET' if source else STAND_IN,
        source=source and str(source.resolve()),
    )
    found = read_note(folder)
    if found == wanted or (found and source is None):
        return found['what']
    # With all that was made of other data.
    shutil.rmtree(folder, ignore_errors=True)
    if source is None:
        draw_images(data)
    else:
        convert(root, source, data)
    (folder / NOTE).write_text(json.dumps(wanted))
    return wanted['what']


def read_note(folder: Path) -> dict:
    """What the data of a folder are: ``what`` and ``source``."""
    file = folder / NOTE
    return json.loads(file.read_text()) if file.exists() else {}


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
        # Some copies have a split, without test images.
        *(options or ('--resplit', '--few-shot', '20')),
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
        _write(data, split, coco)
        if split == 'train':
            coco['images'] = coco['images'][:SHOTS]
            known = {image['id'] for image in coco['images']}
            coco['annotations'] = [
                a for a in coco['annotations'] if a['image_id'] in known
            ]
            _write(data, 'train_20', coco)


def _write(data: Path, split: str, coco: dict) -> None:
    file = data / 'annotations' / f'{split}.json'
    file.write_text(json.dumps(coco))
