import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from helpers.made_records import (
    SETTINGS,
    blocks,
    picture,
    pictures_of,
    record,
    write,
)
from helpers.tiny_banks import files_of
from mmdet_ddpm_moco.bank.format import INDEX_DTYPE, source_key
from mmdet_ddpm_moco.bank.lock import bank_lock
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.utils.fileio import json_bytes


def test_the_first_accepted_ones_are_kept(tmp_path):
    manifest = write(tmp_path / 'bank')
    assert manifest == {
        'format_version': 1,
        **SETTINGS,
        'asked': 5,
        'kept': 5,
        'rejected': {'nothing visible': 2},
        'kinds': {
            'dent': {'add': 2},
            'Öse': {'add': 1},
            'background': {'null': 2},
        },
        'source_depths': [1],
    }
    bank = DefectBank(tmp_path / 'bank')
    numbers = sorted(bank[i].number for i in range(len(bank)))
    assert numbers == [0, 2, 3, 4, 6]
    assert json.loads((bank.root / 'manifest.json').read_text()) == manifest


def test_what_came_after_the_last_kept_one_does_not_count(tmp_path):
    manifest = write(tmp_path / 'bank', num=2)
    assert manifest['kept'] == 2
    assert manifest['rejected'] == {'nothing visible': 1}
    names = {p.name for p in (tmp_path / 'bank' / 'images').iterdir()}
    assert names == {'000000.png', '000002.png'}
    fewer = BankWriter(tmp_path / 'fewer', SETTINGS)
    records = blocks()[0]
    fewer.write_block(0, records, pictures_of(records))
    fewer.close(2)
    assert files_of(tmp_path / 'fewer') == files_of(tmp_path / 'bank')


def test_nothing_is_left_behind(tmp_path):
    write(tmp_path / 'bank', num=1)
    assert set(files_of(tmp_path / 'bank')) == {
        'annotations.json',
        'hosts.npy',
        'index.npy',
        'manifest.json',
        'images/000000.png',
        'patches.bin',
        'patches.npy',
    }
    assert {p.name for p in (tmp_path / 'bank').iterdir()} == {
        'annotations.json',
        'hosts.npy',
        'index.npy',
        'manifest.json',
        'images',
        'patches.bin',
        'patches.npy',
    }


def test_annotations_open_as_coco_and_agree_with_the_manifest(tmp_path):
    manifest = write(tmp_path / 'bank', num=6)
    coco = COCO(str(tmp_path / 'bank' / 'annotations.json'))
    assert sorted(coco.imgs) == [0, 2, 3, 4, 6, 7]
    assert len(coco.imgs) == manifest['kept']
    names = [c['name'] for c in coco.loadCats(coco.getCatIds())]
    assert names == SETTINGS['classes']
    found = {'dent': 0, 'Öse': 0}
    for ann in coco.anns.values():
        found[coco.cats[ann['category_id']]['name']] += 1
        assert ann['bbox'] == [3, 2, 5, 3]
        assert ann['area'] == 15
        assert coco.imgs[ann['image_id']]['kind'] != 'null'
    for name, count in found.items():
        kinds = manifest['kinds'][name]
        assert count == sum(kinds.values())
    nulls = [i for i in coco.imgs.values() if i['kind'] == 'null']
    assert len(nulls) == manifest['kinds']['background']['null'] == 2
    for image in coco.imgs.values():
        path = tmp_path / 'bank' / 'images' / image['file_name']
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert pixels.shape == (image['height'], image['width'], 4)
        assert image['window'] == [4, 6, 12, 10]
        assert image['source'] == f'strip/{image["id"] % 2}.png'


def test_a_box_is_cut_to_the_window(tmp_path):
    """Of a large defect the window shows a part."""
    writer = BankWriter(tmp_path / 'bank', SETTINGS)
    records = [record(0, 'replaces', box=[0, 8, 40, 3])]
    writer.write_block(0, records, pictures_of(records))
    writer.close(1)
    data = json.loads((tmp_path / 'bank' / 'annotations.json').read_text())
    assert data['annotations'][0]['bbox'] == [0, 2, 12, 3]
    assert data['images'][0]['replaces'] == 77
    window = DefectBank(tmp_path / 'bank')[0]
    assert window.box == (0, 8, 40, 3)


def test_the_index_is_what_the_reader_looks_up(tmp_path):
    write(tmp_path / 'bank', num=6)
    index = np.load(tmp_path / 'bank' / 'index.npy')
    assert index.dtype == INDEX_DTYPE
    assert (np.diff(index['source'].astype(object)) >= 0).all()
    bank = DefectBank(tmp_path / 'bank')
    windows = bank.windows_of('/data/strip/1.png')
    assert [w.number for w in windows] == [3, 7]
    assert [w.number for w in bank.windows_of('strip/0.png')] == [0, 2, 4, 6]
    assert bank.windows_of('strip/2.png') == []
    null = next(w for w in bank.windows_of('strip/0.png') if w.number == 2)
    assert (null.kind, null.label, null.box) == ('null', -1, (0, 0, 0, 0))
    assert null.window == (4, 6, 12, 10)
    assert source_key('strip/0.png') in index['source']
    for window in windows:
        pixels, alpha = bank.read(window)
        expected = picture(window.number)
        assert np.array_equal(np.dstack([pixels, alpha]), expected)


def test_the_index_is_the_same_to_the_last_byte(tmp_path):
    """The bytes between its columns do not hold whatever memory held."""
    found = set()
    for fill in (0, 85, 255):
        junk = [
            np.full(6 * INDEX_DTYPE.itemsize, fill, 'u1') for _ in range(9)
        ]
        del junk
        write(tmp_path / str(fill), num=6)
        found.add((tmp_path / str(fill) / 'index.npy').read_bytes())
    assert len(found) == 1


def test_blocks_may_come_in_any_order(tmp_path):
    write(tmp_path / 'a', order=(0, 1))
    write(tmp_path / 'b', order=(1, 0))
    assert files_of(tmp_path / 'a') == files_of(tmp_path / 'b')


def test_a_block_is_read_back(tmp_path):
    writer = BankWriter(tmp_path / 'bank', SETTINGS)
    records = blocks()[0]
    assert writer.read_block(0) is None
    writer.write_block(0, records, pictures_of(records))
    assert writer.read_block(0) == records
    assert BankWriter(tmp_path / 'bank', SETTINGS).read_block(0) == records
    assert writer.read_block(1) is None


def test_a_bank_of_nothing_but_rejected_windows(tmp_path):
    writer = BankWriter(tmp_path / 'bank', SETTINGS)
    with bank_lock(tmp_path / 'bank', SETTINGS):
        writer.write_block(0, [record(0, rejected='nothing visible')], [None])
        assert writer.close(3)['kept'] == 0
    assert len(DefectBank(tmp_path / 'bank')) == 0


def test_an_unfinished_bank_is_no_bank(tmp_path):
    writer = BankWriter(tmp_path / 'bank', SETTINGS)
    records = blocks()[0]
    writer.write_block(0, records, pictures_of(records))
    with pytest.raises(FileNotFoundError, match='unfinished'):
        DefectBank(tmp_path / 'bank')


def test_an_empty_folder_is_accepted(tmp_path):
    (tmp_path / 'bank').mkdir()
    assert write(tmp_path / 'bank')['kept'] == 5


def test_json_is_readable():
    assert (
        json_bytes(dict(name='Öse'), indent=1)
        == '{\n "name": "Öse"\n}\n'.encode()
    )


@pytest.mark.parametrize('content', [b'', b'[{"number": 0, "ki'])
def test_a_record_cut_short_is_not_read(tmp_path, content):
    """A killed atomic write leaves its temporary file beside the record."""
    expected = tmp_path / 'expected'
    write(expected)
    writer = BankWriter(tmp_path / 'bank', SETTINGS)
    partial = tmp_path / 'bank' / 'records' / '.000001.json.0123abcd.tmp'
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content)
    for block, records in enumerate(blocks()):
        writer.write_block(block, records, pictures_of(records))
    writer.close(5)
    assert files_of(tmp_path / 'bank') == files_of(expected)


def test_a_temporary_copy_of_a_record_does_not_count(tmp_path):
    expected = tmp_path / 'expected'
    write(expected)
    writer = BankWriter(tmp_path / 'bank', SETTINGS)
    for block, records in enumerate(blocks()):
        writer.write_block(block, records, pictures_of(records))
    partial = tmp_path / 'bank' / 'records' / '.000000.json.0123abcd.tmp'
    partial.write_bytes(writer.record_path(0).read_bytes())
    writer.close(5)
    assert files_of(tmp_path / 'bank') == files_of(expected)


def test_killed_before_the_settings_were_written(tmp_path):
    """The folder holds nothing but what this very run has put there."""
    (tmp_path / 'bank' / 'images').mkdir(parents=True)
    (tmp_path / 'bank' / 'records').mkdir()
    assert write(tmp_path / 'bank')['kept'] == 5
