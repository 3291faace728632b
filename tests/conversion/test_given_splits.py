"""The split of a data set is kept, unless another one is asked for."""

import pytest

from helpers.voc_maker import (
    by_name,
    kinds,
    load,
    snapshot,
    write_image,
    write_xml,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.folder_names import (
    split_in,
    split_of,
    split_of_file,
)
from mmdet_ddpm_moco.conversion.report import format_report

SPLITS = ('train', 'val', 'test')


def split_dataset(root, **counts):
    """Images of each split folder, ``<folder>_<number>.png``."""
    seed = 0
    for folder, count in counts.items():
        for number in range(1, count + 1):
            seed += 1
            stem = f'{folder}_{number}'
            write_image(root / folder / 'images' / f'{stem}.png', seed)
            write_xml(
                root / folder / 'annotations' / f'{stem}.xml',
                objects=[('dent', 3, 5, 22, 14)],
            )
    return root


def sizes(report):
    return [report.counts[split]['images'] for split in SPLITS]


@pytest.mark.parametrize('val', ['val', 'valid', 'validation', 'Valid'])
def test_given_splits_are_kept(tmp_path, dst, val):
    src = split_dataset(tmp_path / 'src', train=5, **{val: 2}, test=3)
    report = convert_dataset(src, dst, few_shot=[2])
    assert report.findings == {}
    assert sizes(report) == [5, 2, 3]
    for split, folder in zip(SPLITS, ('train', val, 'test')):
        assert all(name.startswith(folder) for name in by_name(dst, split))
    assert report.options['splits'] == load(dst, 'val')['info']['splits']
    assert report.options['splits'] == 'given'
    assert 'ratio' not in report.options
    assert set(by_name(dst, 'train_2')) < set(by_name(dst, 'train'))
    assert 'those of the data set' in format_report(report)


def test_a_split_without_test_images_is_kept(tmp_path, dst):
    src = split_dataset(tmp_path / 'src', train=5, val=2)
    report = convert_dataset(src, dst)
    assert sizes(report) == [5, 2, 0]
    assert 'of the data set, without test images;' in format_report(report)


@pytest.mark.parametrize(
    'options', [dict(resplit=True), dict(ratio=(0.7, 0.1, 0.2))]
)
def test_new_splits_are_drawn_when_asked_for(tmp_path, dst, options):
    src = split_dataset(tmp_path / 'src', train=2, val=2, test=6)
    report = convert_dataset(src, dst, **options)
    assert sizes(report) == [7, 1, 2]
    assert report.options['ratio'] == [0.7, 0.1, 0.2]
    assert 'splits' not in report.options
    assert 'those of the data set' not in format_report(report)


def test_lists_go_before_the_given_split(tmp_path, dst):
    src = split_dataset(tmp_path / 'src', train=2, val=2)
    (tmp_path / 'lists').mkdir()
    (tmp_path / 'lists/train.txt').write_text('val_1\n')
    convert_dataset(src, dst, lists=tmp_path / 'lists')
    assert list(by_name(dst, 'train')) == ['val_1.png']
    with pytest.raises(ValueError, match='resplit and lists exclude'):
        convert_dataset(src, dst, lists=tmp_path / 'lists', resplit=True)


def test_without_a_given_split_resplit_changes_nothing(src, dst, tmp_path):
    convert_dataset(src, dst)
    convert_dataset(src, tmp_path / 'other', resplit=True)
    assert snapshot(tmp_path / 'other') == snapshot(dst)


def test_near_duplicates_across_a_given_split_are_named(tmp_path, dst):
    src = split_dataset(tmp_path / 'src', train=3, test=2)
    # Of the seed of train_1.png, and so equal to it.
    write_image(src / 'test/images/test_1.png', 1)
    report = convert_dataset(src, dst)
    assert sizes(report) == [3, 0, 2]
    assert kinds(report) == dict(near_duplicate_across_splits=['test_1.png'])
    assert report.groups['across']['train_test'] == dict(test=1)
    assert 'of which the given splits separate 1:' in format_report(report)


@pytest.mark.parametrize('folder', ['train', 'val'])
def test_one_split_alone_is_none(tmp_path, dst, folder):
    src = split_dataset(tmp_path / 'src', **{folder: 10})
    report = convert_dataset(src, dst)
    assert sizes(report) == [7, 1, 2]
    assert report.findings == dict(
        given_split_unusable=[(folder, 'holds all images')]
    )
    assert convert_dataset(src, dst, resplit=True).findings == {}


def test_without_defects_in_train_the_split_is_not_kept(tmp_path, dst):
    src = split_dataset(tmp_path / 'src', train=2, test=8)
    for number in (1, 2):
        write_xml(src / f'train/annotations/train_{number}.xml')
    report = convert_dataset(src, dst)
    assert report.findings['given_split_unusable'] == [
        ('train', 'holds no defects')
    ]
    assert report.counts['train']['boxes'] > 0


def test_the_folder_of_the_image_decides_and_not_that_of_its_xml(
    tmp_path, dst
):
    src = split_dataset(tmp_path / 'src', train=3, test=2)
    write_image(src / 'test/images/train_9.png', 90)
    write_xml(
        src / 'train/annotations/train_9.xml', objects=[('dent', 3, 5, 9, 9)]
    )
    report = convert_dataset(src, dst)
    assert kinds(report) == dict(
        paired_across_splits=['test/images/train_9.png']
    )
    assert 'train_9.png' in by_name(dst, 'test')


def test_names_of_splits():
    folders = dict(
        train='train', Valid='val', val2017='val', test_images='test',
        VALIDATION='val', trainval='', images='', crack='', Testing='test',
        tensile_test='',
    )  # fmt: skip
    assert {name: split_of(name) for name in folders} == folders
    files = dict(
        instances_val2017='val', neu_det_train='train', trainval='',
        _annotations='', train_val='', latest='',
    )  # fmt: skip
    assert {name: split_of_file(name) for name in files} == files
    assert split_in('images/val2017/test/1.jpg') == 'val'
    assert split_in('images/test.jpg') == ''
