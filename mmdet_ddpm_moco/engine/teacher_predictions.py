"""What a teacher finds in images, kept in a file: it is asked once."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from tqdm import tqdm

from ..evaluation.judge import Detections, Judge, load_judge
from ..teacher.fusion import flip_boxes, flip_image
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from ..utils.provenance import fingerprints

Image = Mapping[str, Any]

# Images between two savings: what a kill can cost.
PART = 500


def predictions(
    detector: tuple[Path, Path],
    classes: Sequence[str],
    images: Sequence[Image],
    prefix: Path,
    flips: Sequence[str],
    file: Path,
    device: str,
) -> list[list[Detections]]:
    """Detections of each view of each image, kept in a file.

    They are made once: the file holds a digest of the weights, the settings
    of the detector, the images and the flips. Those of every ``PART`` images
    are saved beside it, so that a kill costs no more.

    Args:
        detector (tuple[Path, Path]): Its config and its weights.
        classes (Sequence[str]): Class names in the order of the labels.
        images (Sequence[Mapping]): COCO ``images``.
        prefix (Path): Folder that their file names start from.
        flips (Sequence[str]): Of ``settings.FLIPS``, the views.
        file (Path): Keeps them; its name says what the images are.
        device (str): Where to predict.

    Returns:
        list[list[Detections]]: By image and flip, in the coordinates of the
        unflipped image.

    Raises:
        ValueError: An image is missing or damaged.
    """
    digest = hashlib.sha256(detector[1].read_bytes())
    cfg = Config.fromfile(detector[0])
    contents = fingerprints(prefix / i['file_name'] for i in images)
    asked = [
        cfg.model,
        get_test_pipeline_cfg(cfg),
        [i['file_name'] for i in images],
        [found.content for found in contents.values()],
        list(flips),
    ]
    digest.update(json.dumps(asked, default=str).encode())
    key = digest.hexdigest()
    found = _read_predictions(file, key)
    if found is None:
        load = partial(load_judge, *detector, classes, device)
        found = _in_parts(load, images, prefix, flips, file, key)
        _write_predictions(file, key, found)
        for part in file.parent.glob(f'{file.stem}.*{file.suffix}'):
            part.unlink()
    step = len(flips)
    return [found[i : i + step] for i in range(0, len(found), step)]


def _in_parts(
    load: Callable[[], Judge],
    images: Sequence[Image],
    prefix: Path,
    flips: Sequence[str],
    file: Path,
    key: str,
) -> list[Detections]:
    """Detects, and saves each part of the images that is finished."""
    judge, found = None, []
    label = f'teacher {file.parent.name}, {file.stem.replace("_", " ")}'
    with tqdm(total=len(images) * len(flips), desc=label, unit='view') as bar:
        for start in range(0, len(images), PART):
            part = images[start : start + PART]
            saved = file.with_name(f'{file.stem}.{start}{file.suffix}')
            views = _read_predictions(saved, key)
            if views is None:
                judge = judge or load()
                views = []
                for view in _predict(judge, part, prefix, flips):
                    views.append(view)
                    bar.update()
                _write_predictions(saved, key, views)
            else:
                bar.update(len(views))
            found += views
    return found


def _read_predictions(file: Path, key: str) -> list[Detections] | None:
    try:
        with np.load(file, allow_pickle=False) as saved:
            if str(saved['key']) != key:
                return None
            cuts = saved['cuts'][1:-1]
            parts = (
                np.split(saved[name], cuts)
                for name in ('boxes', 'scores', 'labels')
            )
            return [Detections(*view) for view in zip(*parts, strict=True)]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # missing, or cut short by a kill


def _write_predictions(
    file: Path, key: str, found: Sequence[Detections]
) -> None:
    packed = io.BytesIO()
    np.savez(
        packed,
        key=np.array(key),
        cuts=np.cumsum([0, *(len(view.scores) for view in found)]),
        boxes=np.concatenate([view.boxes for view in found]),
        scores=np.concatenate([view.scores for view in found]),
        labels=np.concatenate([view.labels for view in found]),
    )
    atomic_write_bytes(file, packed.getvalue())


def size_of(image: Image) -> tuple[int, int]:
    """Height and width in pixels of one of COCO's ``images``."""
    return image['height'], image['width']


def _predict(
    judge: Judge,
    images: Sequence[Image],
    prefix: Path,
    flips: Sequence[str],
) -> Iterator[Detections]:
    """Detections of each view, in the coordinates of the unflipped image."""

    def shown() -> Iterator[np.ndarray]:
        for image in images:
            path = prefix / image['file_name']
            pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if pixels is None or pixels.shape[:2] != size_of(image):
                msg = (
                    f'{path} is missing, damaged or not of the size in its '
                    'annotations; prepare the data set again'
                )
                raise InputError(msg)
            for flip in flips:
                yield flip_image(pixels, flip)

    views = [(image, flip) for image in images for flip in flips]
    for (image, flip), view in zip(views, judge.detect(shown()), strict=True):
        yield Detections(
            flip_boxes(view.boxes, flip, *size_of(image)),
            view.scores,
            view.labels,
        )
