"""Labeled images that show the same part are in one fold."""

import json

import cv2
import numpy as np

from helpers.tiny_admission import near_copy
from helpers.tiny_detection import write_images
from mmdet_ddpm_moco.engine.admission_images import groups_with_copies
from mmdet_ddpm_moco.engine.image_sets import ImageSet
from mmdet_ddpm_moco.utils import perceptual_hash, provenance


def together(root):
    """Numbers of the images of each group, of those with several."""
    groups = groups_with_copies(
        ImageSet.read(root / 'train.json', root / 'images')
    )
    members = {}
    for name, group in groups.items():
        members.setdefault(group, set()).add(int(name.removesuffix('.png')))
    return sorted((m for m in members.values() if len(m) > 1), key=min)


def test_near_copies_and_given_groups_stay_together(tmp_path):
    write_images(tmp_path, 9)
    images = tmp_path / 'images'
    near_copy(images / '0.png', images / '5.png')
    (images / '6.png').write_bytes((images / '1.png').read_bytes())
    coco = json.loads((tmp_path / 'train.json').read_bytes())
    for number, group in ((2, 7), (3, 7), (4, 8), (5, 8)):
        coco['images'][number]['group'] = group
    (tmp_path / 'train.json').write_text(json.dumps(coco))
    # 0 is of one group with 4, through its copy.
    assert together(tmp_path) == [{0, 4, 5}, {1, 6}, {2, 3}]


def test_all_images_are_compared_at_once(tmp_path, monkeypatch):
    calls = []

    def agreement(first, second):
        calls.append((len(first), len(second)))
        return perceptual_hash.agreement(first, second)

    monkeypatch.setattr(provenance, 'agreement', agreement)
    together(write_images(tmp_path, 9))
    assert calls == [(9, 9)]


def test_without_copies_each_image_is_on_its_own(tmp_path):
    assert together(write_images(tmp_path, 9)) == []


def changed(cells, share, seed):
    """Some of the 16 x 16 cells drawn anew."""
    rng = np.random.RandomState(seed)
    anew = rng.rand(*cells.shape) < share
    return np.where(anew, rng.randint(0, 255, cells.shape), cells)


def test_not_the_nearest_copy_alone_counts(tmp_path):
    # Two pairs that are alike; and one pair is like the other.
    write_images(tmp_path, 5)
    cells = np.random.RandomState(9).randint(0, 255, (16, 16))
    other = changed(cells, 0.3, seed=1)
    four = cells, changed(cells, 0.05, 2), other, changed(other, 0.05, 3)
    for number, picture in enumerate(four):
        pixels = picture.astype(np.uint8).repeat(4, 0).repeat(4, 1)
        cv2.imwrite(str(tmp_path / f'images/{number}.png'), pixels)
    assert together(tmp_path) == [{0, 1, 2, 3}]
