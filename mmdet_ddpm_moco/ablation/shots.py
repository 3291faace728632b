"""The labeled images that a seed draws."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..conversion.splits import few_shot_subsets
from ..utils.errors import MissingFileError
from ..utils.fileio import atomic_write_bytes


def shots_name(shots_file: str, shots: int, seed: int) -> str:
    """Names the annotations of drawn shots, beside those they stand for."""
    return str(Path(shots_file).with_name(f'train_{shots}_seed_{seed}.json'))


def main_classes(coco: dict) -> dict[str, str]:
    """Class that covers most of each image, by file name.

    Args:
        coco (dict): COCO annotations.

    Returns:
        dict[str, str]: Images without boxes are left out. Of classes that
        cover equally much, the first by name.
    """
    names = {c['id']: c['name'] for c in coco['categories']}
    areas: dict[int, dict[str, float]] = defaultdict(
        lambda: defaultdict(float)
    )
    for ann in coco['annotations']:
        w, h = ann['bbox'][2:]
        areas[ann['image_id']][names[ann['category_id']]] += w * h
    return {
        image['file_name']: min(
            areas[image['id']],
            key=lambda name: (-areas[image['id']][name], name),
        )
        for image in coco['images']
        if image['id'] in areas
    }


def draw_shots(pool: Path, shots: Sequence[int], seed: int) -> dict[int, dict]:
    """Draws nested subsets with N images of each class.

    Args:
        pool (Path): COCO annotations to draw from.
        shots (Sequence[int]): Numbers N.
        seed (int): Seed.

    Returns:
        dict[int, dict]: COCO annotations for each N.

    Raises:
        FileNotFoundError: The annotations are missing.
        ValueError: A class has too few images.
    """
    if not pool.is_file():
        msg = (
            f'no annotations at {pool}, from which the shots are drawn; make '
            'them with tools/prepare_dataset.py'
        )
        raise MissingFileError(msg)
    coco = json.loads(pool.read_bytes())
    classes = [c['name'] for c in coco['categories']]
    drawn = few_shot_subsets(main_classes(coco), classes, shots, seed)
    return {
        number: _subset(coco, set(names)) for number, names in drawn.items()
    }


def write_shots(
    data_root: Path, pool: str, shots_file: str, shots: int, seed: int
) -> Path:
    """Writes the annotations that :func:`draw_shots` draws.

    Returns:
        Path: The file, the same bytes each time.
    """
    coco = draw_shots(data_root / pool, [shots], seed)[shots]
    file = data_root / shots_name(shots_file, shots, seed)
    atomic_write_bytes(file, json.dumps(coco).encode())
    return file


def _subset(coco: dict, names: set[str]) -> dict:
    images = [i for i in coco['images'] if i['file_name'] in names]
    ids = {image['id'] for image in images}
    return dict(
        coco,
        images=images,
        annotations=[a for a in coco['annotations'] if a['image_id'] in ids],
    )
