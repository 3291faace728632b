"""Which images are submitted, and under which ids."""

import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils

from helpers.scripted_detector import scripted_config
from helpers.tiny_detection import CLASSES, SIZE
from mmdet_ddpm_moco.engine.submission_images import submission_images
from mmdet_ddpm_moco.utils.errors import InputError


@pytest.fixture
def cfg(tmp_path, data):
    return scripted_config(data, tmp_path)[0]


def edit(data, **changes):
    path = data / 'train.json'
    path.write_text(json.dumps(dict(json.loads(path.read_text()), **changes)))
    return path


def rle():
    """A mask of 6 columns and 3 rows, from column 5 and row 8."""
    mask = np.zeros((SIZE, SIZE), np.uint8, order='F')
    mask[8:11, 5:11] = 1
    compressed = mask_utils.encode(mask)
    return dict(compressed, counts=compressed['counts'].decode())


def uncompressed():
    """The same, with its runs as numbers."""
    gap = SIZE - 3
    runs = [5 * SIZE + 8, *[3, gap] * 5, 3, SIZE * SIZE - 10 * SIZE - 11]
    return dict(size=[SIZE, SIZE], counts=runs)


def test_the_test_set_of_the_config(cfg, data):
    found = submission_images(cfg, CLASSES)
    assert [image['id'] for image in found.coco['images']] == [0, 1, 2, 3]
    assert len(found.coco['annotations']) == 4
    assert found.prefix == data / 'images'


def test_ids_of_a_list_are_kept_without_annotations(cfg, data):
    images = [dict(id=70, file_name='2.png'), dict(id=5, file_name='0.png')]
    list_file = edit(data, images=images)
    coco = json.loads(list_file.read_text())
    for key in ('annotations', 'categories'):
        del coco[key]
    list_file.write_text(json.dumps(coco))
    found = submission_images(cfg, CLASSES, list_file).coco
    # Sizes that the list lacks are those of the files.
    assert found['images'] == [
        dict(image, width=SIZE, height=SIZE) for image in images
    ]
    assert found['annotations'] == []
    assert found['categories'] == [
        dict(id=1, name='dent'),
        dict(id=2, name='scratch'),
    ]


@pytest.mark.parametrize(
    'shape, box',
    [
        ([[5, 8, 11, 8.5, 7, 11]], [5, 8, 6, 3]),
        ([[5, 8, 6, 8, 6, 9], [9, 10, 11, 10, 11, 11.5]], [5, 8, 6, 3.5]),
        (rle(), [5, 8, 6, 3]),
        (uncompressed(), [5, 8, 6, 3]),
    ],
)
def test_a_segmentation_without_a_box_gets_one(cfg, data, shape, box):
    given = dict(id=0, image_id=2, category_id=1, segmentation=shape)
    list_file = edit(data, annotations=[given])
    (found,) = submission_images(cfg, CLASSES, list_file).coco['annotations']
    area = box[2] * box[3]
    # No box with the id 0 would ever be found.
    assert found == dict(given, id=1, bbox=box, area=area, iscrowd=0)


@pytest.mark.parametrize('shape', [{}, dict(segmentation=[])])
def test_neither_a_box_nor_a_segmentation(cfg, data, shape):
    given = dict(id=7, image_id=2, category_id=1, **shape)
    list_file = edit(data, annotations=[given])
    with pytest.raises(InputError, match=r'annotation 7 of .*train\.json has'):
        submission_images(cfg, CLASSES, list_file)


def test_categories_are_in_the_order_of_the_labels(cfg, data):
    """Else mmdet would give each label the id of another class."""
    categories = [
        dict(id=8, name='scratch'),
        dict(id=3, name='other'),
        dict(id=6, name='dent'),
    ]
    found = submission_images(cfg, CLASSES, edit(data, categories=categories))
    assert [c['id'] for c in found.coco['categories']] == [6, 8]


def test_a_folder_is_numbered_in_natural_order(cfg, tmp_path):
    folder = tmp_path / 'shots'
    (folder / 'b').mkdir(parents=True)
    for name, width in (('a10.png', 5), ('a9.png', 6), ('b/1.png', 7)):
        cv2.imwrite(str(folder / name), np.zeros((4, width, 3), np.uint8))
    found = submission_images(cfg, CLASSES, folder)
    assert found.coco['images'] == [
        dict(id=1, file_name='a9.png', width=6, height=4),
        dict(id=2, file_name='a10.png', width=5, height=4),
        dict(id=3, file_name='b/1.png', width=7, height=4),
    ]
    assert found.prefix == folder
    # The config's test set says what the classes are called.
    assert [c['id'] for c in found.coco['categories']] == [1, 2]


def test_a_damaged_image_of_a_folder(cfg, tmp_path):
    (tmp_path / 'shots').mkdir()
    (tmp_path / 'shots/1.png').write_bytes(b'')
    with pytest.raises(ValueError, match=r'1\.png is no image'):
        submission_images(cfg, CLASSES, tmp_path / 'shots')


def test_an_image_that_is_missing(cfg, data):
    (data / 'images/2.png').unlink()
    with pytest.raises(FileNotFoundError, match='one of 1 of 4 images'):
        submission_images(cfg, CLASSES)


@pytest.mark.parametrize(
    'text, complaint',
    [
        ('{', 'no COCO json with `images`'),
        ('{"annotations": []}', 'no COCO json with `images`'),
        ('{"images": []}', 'has no images'),
    ],
)
def test_a_list_that_is_none(cfg, tmp_path, text, complaint):
    path = tmp_path / 'list.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        submission_images(cfg, CLASSES, path)


def test_classes_of_other_names(cfg, data):
    list_file = edit(data, categories=[dict(id=1, name='Dent')])
    with pytest.raises(ValueError, match='also finds dent, scratch'):
        submission_images(cfg, CLASSES, list_file)
