"""Makes small COCO data sets for the tests."""

import json
from pathlib import Path
from typing import Any

from helpers.voc_maker import write_image

CATEGORIES = [dict(id=0, name='dent'), dict(id=7, name='rust')]
BOX = [2, 4, 20, 10]


def coco_json(
    images: dict[str, list[dict[str, Any]]],
    size: tuple[int, int] = (40, 40),
    first_id: int = 0,
) -> dict[str, Any]:
    """A COCO json of objects by file name, each one a dict of its fields."""
    content = dict(images=[], annotations=[], categories=CATEGORIES)
    for image_id, (name, objects) in enumerate(images.items(), first_id):
        content['images'].append(
            dict(id=image_id, file_name=name, width=size[0], height=size[1])
        )
        for fields in objects:
            entry = dict(
                id=len(content['annotations']),
                image_id=image_id,
                category_id=0,
                bbox=BOX,
                iscrowd=0,
            )
            entry.update(fields)
            content['annotations'].append(entry)
    return content


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def split_coco(root: Path, layout: str = 'plain', **counts: int) -> Path:
    """Images of each split, ``<split>_<number>.png`` with one box each."""
    seed = 0
    for split, count in counts.items():
        names = [f'{split}_{number}.png' for number in range(1, count + 1)]
        content = coco_json({name: [{}] for name in names})
        folder, path = {
            'plain': ('images', f'annotations/{split}.json'),
            'coco': (
                f'{split}2017',
                f'annotations/instances_{split}2017.json',
            ),
            'roboflow': (split, f'{split}/_annotations.coco.json'),
        }[layout]
        write_json(root / path, content)
        for name in names:
            seed += 1
            write_image(root / folder / name, seed)
    return root


def single_coco(
    root: Path, images: dict[str, list[dict[str, Any]]], **options: Any
) -> Path:
    """One json, ``annotations.json``, beside ``images/``."""
    write_json(root / 'annotations.json', coco_json(images, **options))
    for seed, name in enumerate(images, start=1):
        write_image(root / 'images' / name.replace('\\', '/'), seed)
    return root
