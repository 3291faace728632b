"""Given lists may separate near duplicates: that is counted and named."""

import json
from pathlib import Path

import pytest

from helpers.voc_maker import by_name, dents, kinds, surface, write_list
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.report import FindingsError, format_report


def strips(root: Path) -> Path:
    """Two strips of four overlapping crops each, then two single images."""
    crops = []
    for seed in (1, 2):
        strip = surface(100, 250, seed)
        crops += [strip[:, left : left + 100] for left in (0, 50, 100, 150)]
    crops += [surface(100, 100, seed) for seed in (3, 4)]
    return dents(root, crops)


def given(folder: Path, **numbers) -> Path:
    for split, chosen in numbers.items():
        write_list(folder, split, *(f'dent_{number}' for number in chosen))
    return folder


def test_near_duplicates_across_splits_are_counted_and_named(tmp_path, dst):
    src = strips(tmp_path / 'src')
    # First strip: 1 to 4. Second: 5 to 8.
    lists = given(
        tmp_path / 'lists', train=(1, 2, 9), val=(3, 5, 10), test=(4, 6, 7, 8)
    )
    report = convert_dataset(src, dst, lists=lists)
    assert report.groups['parted'] == 2
    assert report.groups['across'] == dict(
        train_val=dict(val=1), train_test=dict(test=1),
        val_test=dict(val=2, test=4),
    )  # fmt: skip
    # Test before val, and what was trained on before what was not.
    assert report.findings == dict(
        near_duplicate_across_splits=[
            (
                'dent_4.png',
                'test, with 2 of train (dent_1.png, …) and 1 of val '
                '(dent_3.png)',
            ),
            ('dent_6.png', 'test, with 1 of val (dent_5.png)'),
            ('dent_7.png', 'test, with 1 of val (dent_5.png)'),
            ('dent_8.png', 'test, with 1 of val (dent_5.png)'),
            (
                'dent_3.png',
                'val, with 2 of train (dent_1.png, …) and 1 of test '
                '(dent_4.png)',
            ),
            ('dent_5.png', 'val, with 3 of test (dent_6.png, …)'),
        ]
    )
    shown = format_report(report).splitlines()
    start = shown.index(
        'Near duplicates: 8 images in 2 groups, of which the lists separate 2:'
    )
    assert [line.strip() for line in shown[start + 1 : start + 6]] == [
        '1 of 3 val images in a group with one of train',
        '1 of 4 test images in a group with one of train',
        '2 of 3 val images in a group with one of test',
        '4 of 4 test images in a group with one of val',
        'The largest groups:',
    ]
    written = json.loads((dst / 'report.json').read_text())
    assert written['near_duplicates']['across'] == report.groups['across']
    assert report.groups['largest'][0]['splits'] == ['test', 'train', 'val']
    # The lists are followed all the same.
    assert set(by_name(dst, 'val')) == {f'dent_{n}.png' for n in (3, 5, 10)}
    with pytest.raises(FindingsError, match='6 findings'):
        convert_dataset(src, dst, lists=lists, strict=True)


def test_groups_within_a_split_are_no_finding(tmp_path, dst):
    src = strips(tmp_path / 'src')
    lists = given(tmp_path / 'lists', train=range(1, 5), test=range(5, 11))
    report = convert_dataset(src, dst, lists=lists)
    assert report.findings == {}
    assert report.groups['parted'] == 0
    assert 'in 2 groups, each within one split.' in format_report(report)


def test_pairs_with_an_empty_split_are_not_shown(tmp_path, dst):
    src = strips(tmp_path / 'src')
    lists = given(tmp_path / 'lists', train=(1, 2), test=range(3, 11))
    shown = format_report(convert_dataset(src, dst, lists=lists))
    assert '2 of 8 test images in a group with one of train' in shown
    assert 'There are no val images.' in shown
    assert 'val images in a group' not in shown
    assert 'one of val' not in shown


def test_only_groups_across_splits_count(tmp_path, dst):
    """Unlisted and unlabeled images belong to none."""
    src = strips(tmp_path / 'src')
    lists = given(tmp_path / 'lists', train=(5, 6, 7), test=(3, 4))
    (src / 'annotations/dent_8.xml').unlink()
    report = convert_dataset(src, dst, lists=lists)
    assert 'near_duplicate_across_splits' not in report.findings
    assert report.groups['parted'] == 0
    assert len(kinds(report)['unlisted_image']) == 4
    assert {tuple(entry['splits']) for entry in report.groups['largest']} == {
        ('test', 'unlisted'), ('train', 'unlabeled')
    }  # fmt: skip


def test_a_large_group_is_no_trouble_for_given_lists(tmp_path, dst):
    src = strips(tmp_path / 'src')
    for number in range(5, 9):
        (src / f'images/dent_{number}.png').unlink()
        (src / f'annotations/dent_{number}.xml').unlink()
    lists = given(tmp_path / 'lists', train=range(1, 5), test=(9, 10))
    assert 'large_group' in convert_dataset(src, dst).findings
    assert convert_dataset(src, dst, lists=lists).findings == {}


def test_groups_that_were_not_searched_for_are_not_reported(tmp_path, dst):
    src = strips(tmp_path / 'src')
    lists = given(tmp_path / 'lists', train=range(1, 10, 2), test=(2, 4))
    report = convert_dataset(
        src, dst, lists=lists, group_near_duplicates=False
    )
    assert set(kinds(report)) == {'unlisted_image'}
    assert 'across' not in report.groups
    assert 'not searched for' in format_report(report)


def test_random_splits_separate_no_group(tmp_path, dst):
    report = convert_dataset(strips(tmp_path / 'src'), dst)
    assert report.groups['parted'] == 0
    assert report.groups['across'] == dict(
        train_val=dict(val=0), train_test=dict(test=0),
        val_test=dict(val=0, test=0),
    )  # fmt: skip
