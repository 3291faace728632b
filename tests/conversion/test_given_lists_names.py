"""Which image a line of a given list means."""

from pathlib import Path

import pytest

from helpers.voc_maker import (
    SPLITS,
    by_name,
    listed,
    load,
    write_image,
    write_list,
    write_xml,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset


def test_a_list_may_be_written_in_many_ways(src, dst, lists):
    convert_dataset(src, dst, lists=lists)
    expected = {split: load(dst, split)['images'] for split in SPLITS}
    lines = ['# rule', '', '  dent_2 ', 'dent_1', '\t#x', *listed('train')[2:]]
    text = '\r\n'.join(lines)
    (lists / 'train.txt').write_bytes(b'\xef\xbb\xbf' + text.encode())
    write_list(lists, 'validation', 'no list of ours')
    convert_dataset(src, dst, lists=lists)
    # In the same order, too.
    found = {split: load(dst, split)['images'] for split in SPLITS}
    assert found == expected


def test_a_byte_order_mark_is_no_part_of_a_name(src, dst, lists):
    text = (lists / 'train.txt').read_bytes()
    (lists / 'train.txt').write_bytes(b'\xef\xbb\xbf' + text)
    convert_dataset(src, dst, lists=lists)
    assert list(by_name(dst, 'train')) == listed('train')


def in_folders(dst: Path) -> Path:
    """A data set that is where the conversion keeps its images."""
    for number, name in enumerate(('a/1', 'b/1', 'b/2')):
        write_image(dst / f'images/{name}.png', number)
        write_xml(
            dst / f'annotations/{name}.xml', objects=[('dent', 3, 5, 22, 14)]
        )
    return dst


@pytest.mark.parametrize('short', ['2', '2.png', 'b/2.png'])
def test_folders_may_be_left_out_where_that_is_clear(dst, tmp_path, short):
    write_list(tmp_path / 'lists', 'train', 'a/1.png', short)
    write_list(tmp_path / 'lists', 'test', 'b/1.png')
    convert_dataset(in_folders(dst), dst, lists=tmp_path / 'lists')
    assert list(by_name(dst, 'train')) == ['a/1.png', 'b/2.png']
    assert list(by_name(dst, 'test')) == ['b/1.png']


@pytest.mark.parametrize('short', ['1', '1.png'])
def test_an_ambiguous_name_is_refused(dst, tmp_path, short):
    write_list(tmp_path / 'lists', 'train', 'a/1.png', '2')
    write_list(tmp_path / 'lists', 'val', short)
    with pytest.raises(ValueError, match='') as caught:
        convert_dataset(in_folders(dst), dst, lists=tmp_path / 'lists')
    assert str(caught.value) == (
        f'{tmp_path}/lists/val.txt names {short}, which may be a/1.png or '
        'b/1.png (1 such in all); write such names in full'
    )


def test_the_old_name_of_renamed_images_is_ambiguous(dst, tmp_path):
    for kind, seed in (('dent', 1), ('rust', 2)):
        write_image(tmp_path / f'src/images/{kind}/1.png', seed)
        write_xml(
            tmp_path / f'src/annotations/{kind}/1.xml',
            objects=[(kind, 3, 5, 22, 14)],
        )
    lists = tmp_path / 'lists'
    write_list(lists, 'train', '1.png')
    with pytest.raises(ValueError, match=r'dent__1\.png or rust__1\.png'):
        convert_dataset(tmp_path / 'src', dst, lists=lists)
    write_list(lists, 'train', 'rust__1')
    write_list(lists, 'val', 'dent__1.png')
    convert_dataset(tmp_path / 'src', dst, lists=lists)
    assert set(by_name(dst, 'train')) == {'rust__1.png'}
    assert set(by_name(dst, 'val')) == {'dent__1.png'}


def test_a_full_name_comes_before_a_stem(dst, tmp_path):
    for number, name in enumerate(('1.png', '1.png.png')):
        write_image(tmp_path / 'src/images' / name, number)
        write_xml(
            tmp_path / 'src/annotations' / f'{name[:-4]}.xml',
            objects=[('dent', 3, 5, 22, 14)],
        )
    write_list(tmp_path / 'lists', 'train', '1.png')
    convert_dataset(tmp_path / 'src', dst, lists=tmp_path / 'lists')
    assert set(by_name(dst, 'train')) == {'1.png'}
