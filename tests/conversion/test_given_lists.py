"""Splits by given lists: what becomes of the dataset."""

import hashlib

import pytest

from helpers.voc_maker import (
    SPLITS,
    by_name,
    flat_dataset,
    kinds,
    listed,
    load,
    snapshot,
    write_list,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.report import FindingsError, format_report


def test_splits_are_those_of_the_lists(src, dst, lists):
    for seed in (0, 1):
        report = convert_dataset(src, dst, lists=lists, seed=seed)
        assert report.findings == {}
        for split in SPLITS:
            found = by_name(dst, split)
            assert list(found) == listed(split)
            text = (dst / 'lists' / f'{split}.txt').read_text()
            assert text.splitlines() == listed(split)
            assert report.counts[split]['images'] == len(listed(split))
            for entry in found.values():
                assert len(entry['boxes']) == 1
        assert set(by_name(dst, 'unlabeled')) == set()


def test_val_and_test_may_be_missing(src, dst, lists):
    write_list(lists, 'train', *(n for s in SPLITS for n in listed(s)))
    (lists / 'val.txt').unlink()
    (lists / 'test.txt').unlink()
    report = convert_dataset(src, dst, lists=lists)
    assert len(by_name(dst, 'train')) == 20
    assert by_name(dst, 'val') == by_name(dst, 'test') == {}
    assert list(report.options['lists_sha256']) == ['train']


def test_few_shot_subsets_come_from_train_by_the_seed(src, dst, lists):
    drawn = set()
    for seed in range(4):
        convert_dataset(src, dst, lists=lists, few_shot=[1, 3], seed=seed)
        one, three = by_name(dst, 'train_1'), by_name(dst, 'train_3')
        assert (len(one), len(three)) == (2, 6)
        assert set(one) < set(three) < set(listed('train'))
        drawn.add(tuple(three))
    assert len(drawn) > 1
    with pytest.raises(ValueError, match='few-shot 7 is more than the 6'):
        convert_dataset(src, dst, lists=lists, few_shot=[7])


def test_labeled_images_in_no_list_are_reported(src, dst, lists):
    convert_dataset(src, dst, lists=lists)
    assert (dst / 'images/dent_6.png').is_symlink()
    write_list(lists, 'train', *listed('train')[:5])
    (src / 'ANNOTATIONS/rust_5.xml').unlink()
    report = convert_dataset(src, dst, lists=lists)
    # rust_5 has no XML any more: it is unlabeled, not unlisted.
    unlisted = ['dent_6.png', *(f'rust_{n}.png' for n in (1, 2, 3, 4, 6))]
    assert kinds(report) == dict(
        image_without_xml=['IMAGES/rust_5.png'], unlisted_image=unlisted
    )
    assert set(by_name(dst, *SPLITS, 'unlabeled')).isdisjoint(unlisted)
    assert set(by_name(dst, 'unlabeled')) == {'rust_5.png'}
    assert '6 unlisted_image: labeled image that' in format_report(report)
    # Nothing uses them, so nothing links to them.
    placed = {path.name for path in (dst / 'images').iterdir()}
    assert placed == set(by_name(dst, *SPLITS, 'unlabeled'))
    first = snapshot(dst)
    with pytest.raises(FindingsError, match='7 findings'):
        convert_dataset(src, dst, lists=lists, strict=True)
    assert snapshot(dst) == first


def test_unlisted_images_of_a_dataset_made_of_links_stay(tmp_path, dst):
    store = flat_dataset(tmp_path / 'store')
    (store / 'ANNOTATIONS').rename(tmp_path / 'annotations')
    dst.mkdir()
    (tmp_path / 'annotations').rename(dst / 'annotations')
    (dst / 'images').mkdir()
    for path in (store / 'IMAGES').iterdir():
        (dst / 'images' / path.name).symlink_to(path)
    convert_dataset(dst, dst)
    write_list(tmp_path / 'lists', 'train', 'dent_1', 'rust_1')
    report = convert_dataset(dst, dst, lists=tmp_path / 'lists')
    assert len(kinds(report)['unlisted_image']) == 18
    assert len(list((dst / 'images').iterdir())) == 20


def test_report_and_info_identify_the_lists(src, dst, lists, tmp_path):
    report = convert_dataset(src, dst, lists=lists)
    digests = {
        split: hashlib.sha256((lists / f'{split}.txt').read_bytes())
        for split in SPLITS
    }
    expected = {split: found.hexdigest() for split, found in digests.items()}
    assert report.options['lists_sha256'] == expected
    assert 'ratio' not in report.options
    for key in (*SPLITS, 'unlabeled'):
        info = load(dst, key)['info']
        assert info['lists_sha256'] == expected
        assert 'ratio' not in info
    for data in snapshot(dst).values():
        assert isinstance(data, str) or str(tmp_path).encode() not in data
    # The same lists elsewhere give the same bytes.
    first = snapshot(dst)
    lists.rename(tmp_path / 'moved')
    convert_dataset(src, dst, lists=tmp_path / 'moved')
    assert snapshot(dst) == first
    convert_dataset(src, dst)
    assert 'lists_sha256' not in load(dst, 'train')['info']


def test_lists_of_a_conversion_give_it_again(src, dst, tmp_path):
    convert_dataset(src, dst, seed=7)
    convert_dataset(src, tmp_path / 'again', lists=dst / 'lists')
    assert [by_name(dst, split) for split in SPLITS] == [
        by_name(tmp_path / 'again', split) for split in SPLITS
    ]
