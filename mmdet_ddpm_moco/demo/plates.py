"""Makes the built-in demo set: procedural brushed-aluminium plates.

With it the whole plugin can be run without any download. Like the data that
the plugin is for, it has few labeled images and many unlabeled ones.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from ..utils.errors import FileAccessError, InputError
from ..utils.fileio import read_json
from .defects import DEFECTS
from .render import PlateDefect, render_plate

SIZE = 160
# Plates with and without defects per split, in the order of the image ids.
SPLITS = {'train': (36, 6), 'unlabeled': (260, 140), 'test': (90, 30)}
# Increase it whenever the images or labels of a seed become different.
VERSION = 1


def make_demo_set(root: Path, seed: int = 0) -> None:
    """Writes the demo set, or does nothing if it already exists.

    ``root/images`` gets gray PNG files of 160 x 160 pixels and
    ``root/annotations`` one COCO file per split: ``train.json`` (36 labeled
    plates with 1 to 3 defects, and 6 defect-free ones), ``unlabeled.json``
    (400 plates, 260 of them with defects, no annotations) and ``test.json``
    (120 plates, 90 with defects). Categories 1 to 3 are corrosion, dent and
    scratch. No image is in two splits. The same seed gives the same bytes.

    The set is made next to ``root`` and moved there in one step, so that a
    run that is killed leaves nothing under that name.

    Args:
        root (Path): Folder to make. Missing parents are made too.
        seed (int): Seed of the whole set, 0 or above. Defaults to 0.

    Raises:
        ValueError: If ``root`` holds anything but this set, or the seed is
            negative.
    """
    root = Path(root)
    if seed < 0:
        msg = f'the seed of a demo set must be 0 or above, not {seed}'
        raise InputError(msg)
    if _is_complete(root, seed):
        return
    _check_free(root, seed)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f'.{root.name}.', dir=root.parent
    ) as folder:
        # One level down, because the temporary folder itself is private.
        made = Path(folder) / 'set'
        _write_set(made, seed)
        try:
            made.replace(root)
        except OSError:
            # Another process may have finished the same set meanwhile.
            if not _is_complete(root, seed):
                _check_free(root, seed)
                raise


def _write_set(folder: Path, seed: int) -> None:
    (folder / 'images').mkdir(parents=True)
    (folder / 'annotations').mkdir()
    image_id = 0
    for number, (split, (defective, clean)) in enumerate(SPLITS.items()):
        coco: dict = dict(
            info=_info(split, seed),
            licenses=[],
            images=[],
            annotations=[],
            categories=[
                dict(id=number, name=name, supercategory='defect')
                for number, name in enumerate(DEFECTS, 1)
            ],
        )
        for index in range(defective + clean):
            image_id += 1
            rng = np.random.default_rng([seed, number, index])
            wanted = _choose_defects(rng, index) if index < defective else []
            image, found = render_plate(rng, wanted, SIZE)
            name = f'{split}_{index:04d}.png'
            if not cv2.imwrite(str(folder / 'images' / name), image):
                msg = f'could not write {name} in {folder}: is the disk full?'
                raise FileAccessError(msg)
            coco['images'].append(
                dict(id=image_id, file_name=name, width=SIZE, height=SIZE)
            )
            if split != 'unlabeled':
                first = len(coco['annotations']) + 1
                coco['annotations'] += _annotate(found, image_id, first)
        text = json.dumps(coco, indent=1)
        (folder / 'annotations' / f'{split}.json').write_text(text + '\n')


def _choose_defects(rng: np.random.Generator, index: int) -> list[str]:
    """One to three kinds. The first alternates, so that none is rare."""
    kinds = list(DEFECTS)
    others = rng.choice(kinds, rng.integers(0, 3))
    return [kinds[index % len(kinds)], *others.tolist()]


def _annotate(
    found: Sequence[PlateDefect], image_id: int, first: int
) -> list[dict]:
    """COCO annotations of one image, with ids from ``first`` on."""
    annotations = []
    for number, defect in enumerate(found):
        rle = coco_mask.encode(np.asfortranarray(defect.mask, np.uint8))
        rle['counts'] = rle['counts'].decode('ascii')
        annotations.append(
            dict(
                id=first + number,
                image_id=image_id,
                category_id=1 + list(DEFECTS).index(defect.label),
                bbox=defect.box,
                area=int(defect.mask.sum()),
                iscrowd=0,
                segmentation=rle,
            )
        )
    return annotations


def _info(split: str, seed: int) -> dict:
    what = (
        'images without boxes may hold defects'
        if split == 'unlabeled'
        else 'images without boxes are defect-free'
    )
    return dict(
        description=f'demo plates, {split}: {what}',
        version=str(VERSION),
        seed=seed,
    )


def _is_complete(root: Path, seed: int) -> bool:
    """Whether ``root`` holds the whole set of this seed and version."""
    for split in SPLITS:
        try:
            coco = read_json(root / 'annotations' / f'{split}.json', {})
            if coco['info'] != _info(split, seed) or not all(
                (root / 'images' / image['file_name']).is_file()
                for image in coco['images']
            ):
                return False
        except (OSError, ValueError, KeyError, TypeError):
            return False
    return True


def _check_free(root: Path, seed: int) -> None:
    """Refuses a folder with other contents."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return
    msg = (
        f'{root} is not the demo set of seed {seed} (version {VERSION}), '
        'or not all of it: give another folder, or delete this one first'
    )
    raise InputError(msg)
