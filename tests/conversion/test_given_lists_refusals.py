"""Given lists that are refused, in one line, before anything is written."""

from pathlib import Path

import pytest

from helpers.voc_maker import (
    SPLITS,
    by_name,
    write_xml,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset


def add_line(folder: Path, split: str, line: str) -> None:
    path = folder / f'{split}.txt'
    path.write_text(f'{path.read_text()}{line}\n')


@pytest.mark.parametrize('second', ['rust_3.png', 'rust_3'])
@pytest.mark.parametrize('split', SPLITS)
def test_an_image_named_twice_is_refused(src, dst, lists, split, second):
    add_line(lists, split, second)
    add_line(lists, 'test', 'dent_1')
    with pytest.raises(ValueError, match='') as caught:
        convert_dataset(src, dst, lists=lists)
    assert str(caught.value) == (
        f'{lists}/{split}.txt names {second}, which {lists}/train.txt names '
        'already (2 such in all); name each image once, in one list'
    )
    assert not dst.exists()


def test_names_that_the_dataset_lacks_are_refused(src, dst, lists):
    (src / 'IMAGES/rust_10.png').write_bytes(b'no image')
    add_line(lists, 'val', 'dent_11.png')
    add_line(lists, 'val', 'DENT_1.png')
    with pytest.raises(ValueError, match='') as caught:
        convert_dataset(src, dst, lists=lists)
    assert str(caught.value) == (
        f'{lists}/val.txt names dent_11.png, which is no readable image of '
        'the data set (3 such in all); correct the names or take them off '
        'the lists'
    )
    assert not dst.exists()


def test_names_without_usable_annotation_are_refused(src, dst, lists):
    (src / 'ANNOTATIONS/rust_7.xml').unlink()
    (src / 'ANNOTATIONS/rust_9.xml').write_text('<annotation>')
    with pytest.raises(ValueError, match='') as caught:
        convert_dataset(src, dst, lists=lists)
    assert str(caught.value) == (
        f'{lists}/val.txt names rust_7.png, which has no usable annotation '
        '(2 such in all); fix the annotations or take them off the lists'
    )
    # An XML without objects is usable: it says that there is no defect.
    for name in ('rust_7', 'rust_9'):
        write_xml(src / f'ANNOTATIONS/{name}.xml')
    convert_dataset(src, dst, lists=lists)
    assert by_name(dst, 'val')['rust_7.png']['boxes'] == []


def test_missing_lists_are_refused(src, dst, lists):
    for folder in (lists / 'nowhere', lists / 'train.txt'):
        with pytest.raises(FileNotFoundError, match='is not a folder') as e:
            convert_dataset(src, dst, lists=folder)
        assert str(folder) in str(e.value)
    (lists / 'train.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'train\.txt is missing'):
        convert_dataset(src, dst, lists=lists)
    assert not dst.exists()


def test_lists_that_cannot_be_read_are_refused(src, dst, lists):
    (lists / 'val.txt').write_bytes('dent_ü.png'.encode('latin-1'))
    with pytest.raises(ValueError, match=r'val\.txt is not UTF-8') as caught:
        convert_dataset(src, dst, lists=lists)
    assert '\n' not in str(caught.value)
    (lists / 'val.txt').unlink()
    (lists / 'val.txt').mkdir()
    with pytest.raises(OSError, match=r'cannot read .*val\.txt'):
        convert_dataset(src, dst, lists=lists)


def test_a_ratio_with_lists_is_refused(src, dst, lists):
    # Also the ratio that is drawn with by default.
    with pytest.raises(ValueError, match='ratio and lists exclude') as caught:
        convert_dataset(src, dst, ratio=(0.7, 0.1, 0.2), lists=lists)
    assert '\n' not in str(caught.value)
    assert not dst.exists()
