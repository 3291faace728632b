"""Folds of the magnetic tiles: whole tiles, in thirds that change places."""

import json
from pathlib import Path

from mmdet_ddpm_moco.conversion.boxes import main_classes
from mmdet_ddpm_moco.conversion.splits import split_groups
from mmdet_ddpm_moco.utils.checks import check_annotations
from mmdet_ddpm_moco.utils.fileio import atomic_write_bytes, json_bytes

# Each third is labeled, unlabeled and tested once.
FOLDS = 3
_SPLITS = ('train', 'val', 'test')


def read_all(data_root: Path) -> dict:
    """All images of the converted set whose labels are known.

    Returns:
        dict: COCO annotations; each image has its ``group``, a tile.

    Raises:
        FileNotFoundError: The set was not converted.
    """
    whole: dict = dict(images=[], annotations=[])
    for split in _SPLITS:
        file = data_root / 'annotations' / f'{split}.json'
        check_annotations(file)
        coco = json.loads(file.read_bytes())
        whole['categories'] = coco['categories']
        for key in ('images', 'annotations'):
            whole[key] += coco[key]
    return whole


def subset(coco: dict, names: set[str]) -> dict:
    """The images of these names, with their annotations."""
    images = [i for i in coco['images'] if i['file_name'] in names]
    ids = {image['id'] for image in images}
    kept = [a for a in coco['annotations'] if a['image_id'] in ids]
    return dict(coco, images=images, annotations=kept)


def write_folds(data_root: Path, seed: int) -> Path:
    """Draws thirds of the tiles and writes the annotations of all folds.

    Each kind of defect and the defect-free images are divided evenly, as far
    as whole tiles allow. Below ``annotations/folds_<seed>`` are ``all.json``
    and a folder for each fold with ``labeled.json``, ``unlabeled.json`` (its
    labels are for the report of the teachers alone), ``both.json`` (these two
    thirds) and ``test.json``.

    Returns:
        Path: Their folder.
    """
    coco = read_all(data_root)
    kinds = main_classes(coco)
    names = sorted(image['file_name'] for image in coco['images'])
    thirds = list(
        split_groups(
            {name: kinds.get(name, '') for name in names},
            {i['file_name']: i['group'] for i in coco['images']},
            [1 / FOLDS] * FOLDS,
            seed,
        ).values()
    )
    out = data_root / 'annotations' / f'folds_{seed}'
    atomic_write_bytes(out / 'all.json', json_bytes(coco))
    for fold in range(FOLDS):
        labeled, unlabeled, test = (
            set(thirds[(fold + part) % FOLDS]) for part in range(FOLDS)
        )
        for name, images in dict(
            labeled=labeled,
            unlabeled=unlabeled,
            both=labeled | unlabeled,
            test=test,
        ).items():
            file = out / str(fold) / f'{name}.json'
            atomic_write_bytes(file, json_bytes(subset(coco, images)))
    return out
