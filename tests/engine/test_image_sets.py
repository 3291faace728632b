"""Which images are labeled, and which are there to be."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.tiny_detection import CLASSES, SIZE
from helpers.tiny_teachers import detector_of, write_data
from mmdet_ddpm_moco.engine.image_sets import (
    ImageSet,
    check_for_teachers,
    labeled_images,
    unlabeled_images,
)


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path)


@pytest.fixture
def labeled(data):
    return labeled_images(detector_of(data))


def test_labeled_images_are_left_out_by_their_contents(labeled, data):
    unlabeled = unlabeled_images(
        data / 'all/train.json', data / 'all/images', labeled
    )
    names = [image['file_name'] for image in unlabeled.coco['images']]
    assert names == [f'{i}.png' for i in range(3, 9)]
    # Nobody may learn from labels that should not be there.
    assert unlabeled.coco['annotations'] == []


def test_a_folder_of_images_will_do(labeled, data):
    expected = unlabeled_images(
        data / 'all/train.json', data / 'all/images', labeled
    )
    found = unlabeled_images(data / 'all/images', None, labeled)
    assert [
        (i['file_name'], i['width'], i['height']) for i in found.coco['images']
    ] == [(i['file_name'], SIZE, SIZE) for i in expected.coco['images']]
    assert [*found.paths()] == [*expected.paths()]


def test_nothing_left_to_label_is_told(labeled, data):
    with pytest.raises(ValueError, match='labeled already'):
        unlabeled_images(data / 'labeled/images', None, labeled)


def test_an_image_that_is_missing_is_told_before_any_training(labeled, data):
    (data / 'all/images/7.png').unlink()
    with pytest.raises(
        FileNotFoundError, match=r'7\.png is missing, one of 1'
    ):
        unlabeled_images(data / 'all/train.json', data / 'all/images', labeled)


def test_missing_annotations_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'prepare_dataset\.py'):
        ImageSet.read(tmp_path / 'none.json', tmp_path)


def rotated(path):
    """A JPEG that is stored 40 wide and 24 high, and shown on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.RandomState(7).randint(0, 255, (24, 40, 3), np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)


def test_sizes_are_those_that_are_loaded(labeled, tmp_path):
    folder = tmp_path / 'shots'
    folder.mkdir()
    rotated(folder / 'a.jpg')
    found = unlabeled_images(folder, None, labeled)
    (image,) = found.coco['images']
    assert (image['height'], image['width']) == (40, 24)
    assert cv2.imread(str(folder / 'a.jpg')).shape[:2] == (40, 24)
    check_for_teachers(found)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-2000])


def emptied(path):
    path.write_bytes(b'')


@pytest.mark.parametrize('damage', [cut_short, emptied])
def test_a_damaged_image_of_a_folder_is_told(labeled, data, damage):
    damage(data / 'all/images/7.png')
    with pytest.raises(ValueError, match=r'7\.png is no image .*; remove'):
        unlabeled_images(data / 'all/images', None, labeled)


def rewritten(file, change):
    coco = json.loads(file.read_text())
    change(coco)
    file.write_text(json.dumps(coco))
    return file


@pytest.mark.parametrize('ids', ['abcdefghi', [4] * 9, [None] * 9])
def test_images_without_usable_ids_are_numbered(labeled, data, ids):
    def change(coco):
        for image, own in zip(coco['images'], ids):
            image['id'] = own

    file = rewritten(data / 'all/train.json', change)
    found = unlabeled_images(file, data / 'all/images', labeled)
    images = [(i['id'], i['file_name']) for i in found.coco['images']]
    assert images == [(i + 1, f'{i}.png') for i in range(3, 9)]


def test_sizes_that_a_json_lacks_are_those_of_the_files(labeled, data):
    file = rewritten(
        data / 'all/train.json', lambda coco: coco['images'][4].pop('width')
    )
    found = unlabeled_images(file, data / 'all/images', labeled)
    assert {i['width'] for i in found.coco['images']} == {SIZE}


def test_categories_that_a_detector_does_not_use(labeled):
    categories = labeled.coco['categories']
    categories.insert(0, dict(id=0, name='defects'))
    categories.append(dict(id=9, name='dirt'))
    dirt = dict(labeled.coco['annotations'][0], id=90, category_id=9)
    labeled.coco['annotations'].append(dirt)
    used = labeled.of_classes(CLASSES).coco
    assert used['categories'] == categories[1:3]
    assert used['annotations'] == labeled.coco['annotations'][:-1]
    assert used['images'] == labeled.coco['images']
    with pytest.raises(ValueError, match=r'defects, dent, .*, but not pit of'):
        labeled.of_classes(['dent', 'pit'])
    # mmdet's labels would be those of the other names.
    with pytest.raises(ValueError, match='in the order of the file'):
        labeled.of_classes(CLASSES[::-1])
    categories[0]['name'] = 'dirt'
    with pytest.raises(ValueError, match='several categories of one name'):
        labeled.of_classes(CLASSES)
