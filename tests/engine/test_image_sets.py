"""Which images are labeled, and which are there to be."""

import pytest

from helpers.tiny_detection import SIZE
from helpers.tiny_teachers import detector_of, write_data
from mmdet_ddpm_moco.engine.image_sets import (
    ImageSet,
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
