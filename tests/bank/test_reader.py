"""The bank as it is written, opened and refused."""

import json
import shutil

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from helpers.tiny_bank import CLASSES, WINDOWS, numbers, picture, write
from mmdet_ddpm_moco.bank.compositing import alpha_box
from mmdet_ddpm_moco.bank.format import INDEX_DTYPE, BankWindow, png_name
from mmdet_ddpm_moco.bank.lock import bank_lock
from mmdet_ddpm_moco.bank.reader import DefectBank


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    return write(tmp_path_factory.mktemp('banks') / 'bank')


@pytest.fixture
def damaged(finished, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(finished, tmp_path / 'bank')


class TestRoundTrip:
    def test_windows_come_back_as_they_were_written(self, finished):
        bank = DefectBank(finished)
        assert bank.classes == tuple(CLASSES)
        assert len(bank) == len(list(bank)) == 6
        found = {window.number: window for window in bank}
        for number, kind, label, _, window, box in WINDOWS:
            label = -1 if kind == 'null' else label
            expected = BankWindow(number, kind, label, window, box)
            assert found[number] == expected
            pixels, alpha = bank.read(found[number])
            written = picture(number, kind, window, box)
            assert np.array_equal(pixels, written[..., :3])
            assert np.array_equal(alpha, written[..., 3])
            assert pixels.dtype == alpha.dtype == np.uint8

    def test_look_up(self, finished):
        bank = DefectBank(finished)
        assert numbers(bank.windows_of('b/1.png')) == [0, 3, 7]
        assert all(type(n) is int for n in bank.windows_of('b/1.png')[0].box)

    def test_only_the_windows_asked_for_stay(self, tmp_path):
        root = write(tmp_path / 'bank', num=4)
        bank = DefectBank(root)
        assert sorted(numbers(bank)) == [0, 1, 3, 4]
        stored = sorted(path.name for path in (root / 'images').iterdir())
        assert stored == [png_name(n) for n in (0, 1, 3, 4)]

    def test_an_empty_bank(self, tmp_path):
        bank = DefectBank(write(tmp_path / 'bank', num=0))
        assert len(bank) == 0 and bank.windows_of('b/1.png') == []


class TestCoco:
    def test_pycocotools_opens_it(self, finished):
        coco = COCO(str(finished / 'annotations.json'))
        names = [c['name'] for c in coco.loadCats(coco.getCatIds())]
        assert names == CLASSES
        assert sorted(coco.getImgIds()) == [0, 1, 3, 4, 5, 7]
        for image in coco.loadImgs(coco.getImgIds()):
            png = cv2.imread(
                str(finished / 'images' / image['file_name']),
                cv2.IMREAD_UNCHANGED,
            )
            assert png.shape == (image['height'], image['width'], 4)

    def test_every_window_says_what_it_is(self, finished):
        coco = COCO(str(finished / 'annotations.json'))
        for number, kind, label, source, window, _ in WINDOWS:
            (image,) = coco.loadImgs([number])
            assert image['kind'] == kind and image['source'] == source
            assert image['window'] == list(window)
            assert (image['replaces'] == 17) == (kind == 'replaces')
            found = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
            labels = [] if kind == 'null' else [CLASSES[label]]
            assert [
                coco.cats[a['category_id']]['name'] for a in found
            ] == labels

    def test_boxes_of_added_defects_are_those_of_alpha(self, finished):
        coco = COCO(str(finished / 'annotations.json'))
        bank = DefectBank(finished)
        added = [window for window in bank if window.kind == 'add']
        assert len(added) == 4
        for window in added:
            (found,) = coco.loadAnns(coco.getAnnIds(imgIds=[window.number]))
            x, y, w, h = alpha_box(bank.read(window)[1])
            assert found['bbox'] == [x, y, w, h]
            assert found['area'] == w * h
            left, top = window.window[:2]
            assert window.box == (left + x, top + y, w, h)

    def test_a_box_that_a_window_cuts_ends_with_it(self, finished):
        coco = COCO(str(finished / 'annotations.json'))
        (found,) = coco.loadAnns(coco.getAnnIds(imgIds=[3]))
        assert found['bbox'] == [0, 9, 32, 20]


class TestRefusals:
    def test_there_is_no_bank(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='is not there') as e:
            DefectBank(tmp_path / 'none')
        assert str(tmp_path / 'none') in str(e.value)
        assert 'synthesize.py' in str(e.value)

    def test_it_is_unfinished(self, tmp_path):
        with bank_lock(tmp_path / 'bank', dict(classes=CLASSES)):
            pass
        with pytest.raises(FileNotFoundError, match='is unfinished'):
            DefectBank(tmp_path / 'bank')

    def test_it_is_newer(self, damaged):
        manifest = json.loads((damaged / 'manifest.json').read_text())
        manifest['format_version'] = 2
        (damaged / 'manifest.json').write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match=r'format 2.*up to 1.*upgrade'):
            DefectBank(damaged)

    @pytest.mark.parametrize(
        'damage',
        [
            lambda data: None,
            lambda data: b'',
            lambda data: b'no index at all',
            lambda data: data[:-1],
            lambda data: data[:100],
        ],
        ids=['missing', 'empty', 'garbage', 'last byte', 'header'],
    )
    def test_its_index_is_damaged(self, damaged, damage):
        file = damaged / 'index.npy'
        data = damage(file.read_bytes())
        file.unlink()
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(ValueError, match='make the bank again') as e:
            DefectBank(damaged)
        assert str(damaged) in str(e.value)

    @pytest.mark.parametrize(
        'index',
        [np.zeros(5, INDEX_DTYPE), np.zeros(6, '<u8')],
        ids=['length', 'columns'],
    )
    def test_its_index_is_of_another_bank(self, damaged, index):
        np.save(damaged / 'index.npy', index)
        with pytest.raises(ValueError, match='does not fit'):
            DefectBank(damaged)

    @pytest.mark.parametrize('damage', ['garbage', 'columns'])
    def test_its_hosts_are_damaged(self, damaged, damage):
        file = damaged / 'hosts.npy'
        if damage == 'garbage':
            file.write_bytes(b'no array')
        else:
            np.save(file, np.zeros(5, INDEX_DTYPE))
        with pytest.raises(ValueError, match=r'hosts\.npy .* make the bank'):
            DefectBank(damaged)

    @pytest.mark.parametrize(
        'text', ['', '{"format_version": 1, "clas', '{"format_version": 1}']
    )
    def test_its_manifest_is_damaged(self, damaged, text):
        (damaged / 'manifest.json').write_text(text)
        with pytest.raises(ValueError, match='make the bank again') as e:
            DefectBank(damaged)
        assert str(damaged) in str(e.value)

    @pytest.mark.parametrize('damage', ['missing', 'garbage', 'size', 'alpha'])
    def test_a_picture_is_damaged(self, damaged, damage):
        bank = DefectBank(damaged)
        (window,) = bank.windows_of('1.png')
        path = damaged / 'images' / png_name(window.number)
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        path.unlink()
        if damage == 'garbage':
            path.write_bytes(b'no picture')
        elif damage == 'size':
            cv2.imwrite(str(path), stored[1:])
        elif damage == 'alpha':
            cv2.imwrite(str(path), stored[..., :3])
        with pytest.raises(ValueError, match='missing or damaged') as e:
            bank.read(window)
        assert str(path) in str(e.value)
