"""Tiny images and COCO jsons, written where a test says."""

import json

import cv2
import numpy as np


def write_image(path, size=(40, 40), seed=0):
    """A random image of ``(width, height)`` pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3)
    pixels = np.random.RandomState(seed).randint(0, 256, shape, np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return pixels


def write_coco(folder, images, categories, json_name='annotations.json'):
    """A COCO data set.

    Args:
        folder (Path): Of the images and the json.
        images (dict): ``name: [(category name, (x, y, w, h)), ...]``.
        categories (list[str]): Names, in the order of their ids.
        json_name (str): File name of the json.

    Returns:
        dict: ``ann_file`` and ``img_prefix`` of a source.
    """
    annotations = []
    for image_id, (name, boxes) in enumerate(images.items()):
        if not (folder / name).exists():
            write_image(folder / name, seed=image_id)
        annotations += [
            dict(
                image_id=image_id,
                category_id=10 + categories.index(category),
                bbox=list(box),
                area=box[2] * box[3],
                iscrowd=0,
            )
            for category, box in boxes
        ]
    content = dict(
        images=[
            dict(id=i, file_name=name, width=40, height=40)
            for i, name in enumerate(images)
        ],
        annotations=[dict(a, id=i) for i, a in enumerate(annotations)],
        categories=[
            dict(id=10 + i, name=name) for i, name in enumerate(categories)
        ],
    )
    file = folder / json_name
    file.write_text(json.dumps(content))
    return dict(ann_file=str(file), img_prefix=str(folder))


def steel_sources(tmp_path):
    """Two jsons over one folder of images, a bank, and unlabeled images."""
    folder = tmp_path / 'steel'
    images = write_coco(
        folder,
        {
            'a.png': [('scratch', (0, 0, 9, 9))],
            'b.png': [],
            'c.png': [('dent', (1, 1, 9, 9))],
        },
        ['scratch', 'dent'],
        'train.json',
    )
    shots = write_coco(
        folder,
        {
            'a.png': [('scratch', (0, 0, 9, 9)), ('dent', (20, 20, 8, 4))],
            'c.png': [('dent', (1, 1, 9, 9))],
        },
        ['dent', 'scratch'],
        'shots.json',
    )
    bank = write_coco(
        tmp_path / 'bank',
        {
            '0.png': [('stain', (0, 0, 5, 5))],
            '1.png': [],
            '2.png': [('stain', (9, 9, 3, 3)), ('dent', (0, 0, 5, 5))],
        },
        ['stain', 'dent'],
    )
    for name in ('x/1.jpg', 'x/y/2.PNG'):
        write_image(tmp_path / 'folder' / name)
    (tmp_path / 'folder' / 'readme.txt').write_text('no image')
    return dict(
        images=dict(images, dataset_ids='image'),
        shots=dict(shots, dataset_ids='class'),
        bank=dict(bank, dataset_ids='class', crop=False),
        folder=dict(img_folder=str(tmp_path / 'folder'), dataset_ids='image'),
    )


def write_dark_and_bright(root):
    """Dark dents and bright scratches, three images of each."""
    boxes = [('dent', (4, 4, 24, 24)), ('scratch', (4, 4, 24, 24))]
    source = write_coco(
        root,
        {f'{i}.png': [boxes[i % 2]] for i in range(6)},
        ['dent', 'scratch'],
    )
    rng = np.random.RandomState(0)
    for i in range(6):
        pixels = rng.randint(0, 40, (40, 40, 3)) + 200 * (i % 2)
        cv2.imwrite(str(root / f'{i}.png'), pixels.astype(np.uint8))
    return source
