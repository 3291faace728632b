"""No variant trains on a test image, wherever its stages find it."""

import shutil

import cv2
import pytest

from helpers.tiny_experiment import change_variant, declare, write_coco
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs


def test_a_test_image_in_a_table_is_found(file):
    (file.parent / 'lines.csv').write_text('file_name,line\ntest_0.png,1\n')
    (file.parent / 'stage.py').write_text(
        "sources = [dict(table='lines.csv', img_prefix='data/images', "
        "dataset_ids='column', column='line')]\n"
        'train_dataloader = dict(dataset=dict(sources=sources))\n'
    )
    change_variant(
        file, "stages = dict(root='run', backbone=dict(config='stage.py'))"
    )
    declare(file, 'own_labels')
    with pytest.raises(ValueError, match=r'leaks.*test_0\.png'):
        prepare_runs(read_experiment(file))


def test_a_test_image_among_the_labeled_ones_is_found(file):
    images = {f'train_{i}.png': i % 2 for i in range(4)}
    pool = file.parent / 'data/annotations/train.json'
    write_coco(pool, {'test_1.png': 1, 'train_0.png': 0})
    with pytest.raises(ValueError, match=r'leaks.*test_1\.png'):
        prepare_runs(read_experiment(file))
    write_coco(pool, images)
    prepare_runs(read_experiment(file))


def test_a_variant_with_seeds_of_its_own_is_checked_too(file):
    """Here the reference, which alone has the lowest seed, does not leak."""
    names = [f'train_{i}.png' for i in range(4)]
    data = file.parent / 'data/annotations'
    write_coco(data / 'more.json', dict.fromkeys([*names, 'test_2.png'], 0))
    text = file.read_text().replace(
        "other='other.py'",
        "other=dict(config='other.py', seeds=[1], own_labels=True)",
    )
    file.write_text(text)
    change_variant(
        file,
        'train_dataloader = dict(dataset=dict('
        "ann_file='annotations/more.json'))",
    )
    with pytest.raises(ValueError, match=r'leaks.*test_2\.png'):
        prepare_runs(read_experiment(file))


def test_a_test_image_under_another_name_is_found(file):
    images = file.parent / 'data/images'
    shutil.copy(images / 'test_0.png', images / 'renamed.png')
    write_coco(
        file.parent / 'data/annotations/train.json',
        {'renamed.png': 0, 'train_1.png': 1},
    )
    with pytest.raises(ValueError, match=r'leaks.*renamed\.png'):
        prepare_runs(read_experiment(file))


def test_folders_may_number_their_images_alike(file):
    """The name says nothing, unless it is that image, recompressed."""
    images = file.parent / 'data/images'
    (images / 'line_b').mkdir()
    other = images / 'line_b/test_0.png'
    shutil.copy(images / 'train_0.png', other)
    write_coco(
        file.parent / 'data/annotations/train.json',
        {'line_b/test_0.png': 0, 'train_1.png': 1},
    )
    prepare_runs(read_experiment(file))
    pixels = cv2.imread(str(images / 'test_0.png'))
    cv2.imwrite(str(other), pixels // 2 + 60)
    with pytest.raises(ValueError, match=r'leaks.*line_b/test_0\.png'):
        prepare_runs(read_experiment(file))


def test_a_test_image_among_the_unlabeled_ones_is_found(file):
    """Contrast sees no labels, but it must not see the images either."""
    images = file.parent / 'data/images'
    unlabeled = file.parent / 'unlabeled'
    unlabeled.mkdir()
    shutil.copy(images / 'train_0.png', unlabeled / 'a.png')
    (file.parent / 'moco.py').write_text(
        "train_dataloader = dict(dataset=dict(type='C', sources=["
        "dict(img_folder='unlabeled', dataset_ids='image')]))\n"
    )
    change_variant(
        file, "stages = dict(root='run', backbone=dict(config='moco.py'))"
    )
    prepare_runs(read_experiment(file))
    shutil.copy(images / 'test_2.png', unlabeled / 'b.png')
    with pytest.raises(ValueError, match=r'leaks.*moco\.py trains.*b\.png'):
        prepare_runs(read_experiment(file))
