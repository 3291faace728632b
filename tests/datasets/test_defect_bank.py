"""The bank as it is written, opened, looked up and passed to workers."""

import json
import multiprocessing
import pickle
import shutil

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from mmdet_ddpm_moco.datasets.compositing import alpha_box
from mmdet_ddpm_moco.datasets.defect_bank import (
    INDEX_DTYPE,
    KINDS,
    BankWindow,
    DefectBank,
    png_name,
    source_key,
)
from mmdet_ddpm_moco.datasets.defect_geometry import defect_alpha
from mmdet_ddpm_moco.synthesis.bank_writer import BankWriter

SIZE = (100, 80)
CLASSES = ['pit', 'scratch']
# number, kind, label, source, window, box
WINDOWS = [
    (0, 'add', 0, 'b/1.png', (10, 20, 48, 32), (30, 30, 12, 8)),
    (1, 'null', 2, 'a/1.png', (0, 0, 32, 32), (0, 0, 0, 0)),
    (3, 'replaces', 1, 'b/1.png', (40, 16, 32, 48), (20, 25, 70, 20)),
    (4, 'add', 1, 'a/1.png', (52, 32, 48, 48), (80, 60, 20, 20)),
    (5, 'add', 1, '1.png', (0, 40, 32, 32), (8, 50, 10, 12)),
    (7, 'add', 1, 'b/1.png', (0, 0, 16, 16), (6, 7, 1, 2)),
]


def picture(number, kind, window, box) -> np.ndarray:
    x, y, w, h = window
    shape = box if kind != 'null' else (x + 8, y + 8, 6, 6)
    pixels = np.random.RandomState(number).randint(0, 256, (h, w, 3))
    alpha = defect_alpha(window, SIZE, shape, None)
    return np.dstack([pixels.astype(np.uint8), alpha])


def write(root, windows=WINDOWS, num=99):
    """A bank of two blocks; window 2 did not pass a gate."""
    writer = BankWriter(root, dict(classes=CLASSES, seed=0))
    for block, members in enumerate((windows[:3], windows[3:])):
        records, pictures = [], []
        for number, kind, label, source, window, box in members:
            records.append(
                dict(
                    number=number,
                    kind=kind,
                    label=label,
                    source=source,
                    window=list(window),
                    box=list(box),
                    replaces=17 if kind == 'replaces' else None,
                    rejected=None,
                )
            )
            pictures.append(picture(number, kind, window, box))
        if block == 0:
            refused = dict(records[0], number=2, rejected='nothing visible')
            records.append(refused)
            pictures.append(None)
        writer.write_block(block, records, pictures)
    writer.close(num)
    return root


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    return write(tmp_path_factory.mktemp('banks') / 'bank')


@pytest.fixture
def spoilt(finished, tmp_path):
    """A copy that may be spoilt."""
    return shutil.copytree(finished, tmp_path / 'bank')


@pytest.fixture(scope='module')
def large(tmp_path_factory):
    """An index of 10^5 windows on 2 * 10^4 images; there are no pictures."""
    root = tmp_path_factory.mktemp('banks') / 'large'
    root.mkdir()
    number = 100_000
    rng = np.random.RandomState(0)
    names = [f'{i % 7}/{i // 7}.png' for i in range(20_000)]
    owners = rng.randint(0, len(names), number)
    keys = np.array([source_key(name) for name in names], np.uint64)
    index = np.zeros(number, INDEX_DTYPE)
    index['number'] = np.arange(number)
    index['source'] = keys[owners]
    index['kind'] = rng.randint(0, 3, number)
    index['label'] = rng.randint(0, 2, number)
    index['window'] = rng.randint(0, 500, (number, 4))
    index['box'] = rng.randint(0, 500, (number, 4))
    index.sort(order=['source', 'number'])
    np.save(root / 'index.npy', index)
    manifest = dict(format_version=1, classes=CLASSES, kept=number)
    (root / 'manifest.json').write_text(json.dumps(manifest))
    return root, names, owners


def numbers(windows) -> list[int]:
    return [window.number for window in windows]


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


class TestLookUpByPath:
    @pytest.mark.parametrize(
        'path, expected',
        [
            ('b/1.png', [0, 3, 7]),
            ('/data/set/images/b/1.png', [0, 3, 7]),
            ('data/images/a/1.png', [1, 4]),
            ('./data//images/a/1.png', [1, 4]),
            ('1.png', [5]),
            # No c/1.png is known; the name alone is.
            ('/data/images/c/1.png', [5]),
            ('/data/images/b/2.png', []),
            ('/data/images/b/1.png/2.png', []),
            ('/data/images/b/1.jpg', []),
            ('xb/1.png', [5]),
            ('', []),
        ],
    )
    def test_the_longest_end_that_is_known_counts(
        self, finished, path, expected
    ):
        assert numbers(DefectBank(finished).windows_of(path)) == expected

    def test_equal_names_in_different_folders_stay_apart(self, tmp_path):
        known = [w for w in WINDOWS if w[3] == 'a/1.png']
        bank = DefectBank(write(tmp_path / 'bank', known))
        assert numbers(bank.windows_of('/data/a/1.png')) == [1, 4]
        assert bank.windows_of('/data/b/1.png') == []
        assert bank.windows_of('/data/1.png') == []

    def test_a_name_with_a_folder_above_or_a_root(self, tmp_path):
        windows = [
            (0, *WINDOWS[0][1:3], '../up/x.png', *WINDOWS[0][4:]),
            (1, *WINDOWS[0][1:3], '/abs/y.png', *WINDOWS[0][4:]),
        ]
        bank = DefectBank(write(tmp_path / 'bank', windows))
        assert numbers(bank.windows_of('data/images/../up/x.png')) == [0]
        assert numbers(bank.windows_of('/abs/y.png')) == [1]

    def test_a_hundred_thousand_windows(self, large):
        root, names, owners = large
        bank = DefectBank(root)
        index = np.load(root / 'index.npy')
        index = index[np.argsort(index['number'])]
        for i in np.random.RandomState(1).randint(0, len(names), 200):
            found = bank.windows_of(f'/some/where/{names[i]}')
            assert numbers(found) == np.flatnonzero(owners == i).tolist()
            for window in found:
                row = index[window.number]
                assert window.window == tuple(row['window'])
                assert window.box == tuple(row['box'])
                assert window.label == row['label']
                assert window.kind == KINDS[row['kind']]
        assert bank.windows_of('/some/where/9/1.png') == []


class TestWorkers:
    def test_the_index_is_mapped_for_reading_alone(self, large):
        index = DefectBank(large[0])._index
        assert isinstance(index, np.memmap) and index.mode == 'r'
        # Or searchsorted would copy the column at every look-up.
        assert index['source'].flags.aligned

    def test_a_forked_worker_reads_the_same(self, finished):
        bank = DefectBank(finished)
        with multiprocessing.get_context('fork').Pool(1) as pool:
            (found,) = pool.map(bank.windows_of, ['b/1.png'])
        assert found == bank.windows_of('b/1.png')

    def test_a_pickled_bank_still_reads(self, finished):
        bank = DefectBank(finished)
        again = pickle.loads(pickle.dumps(bank))
        assert list(again) == list(bank) and again.classes == bank.classes
        (window,) = again.windows_of('1.png')
        assert np.array_equal(again.read(window)[0], bank.read(window)[0])

    def test_pickling_does_not_copy_the_index(self, large):
        assert len(pickle.dumps(DefectBank(large[0]))) < 10_000


class TestRefusals:
    def test_there_is_no_bank(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='is not there') as e:
            DefectBank(tmp_path / 'none')
        assert str(tmp_path / 'none') in str(e.value)
        assert 'synthesize.py' in str(e.value)

    def test_it_is_unfinished(self, tmp_path):
        BankWriter(tmp_path / 'bank', dict(classes=CLASSES))
        with pytest.raises(FileNotFoundError, match='is unfinished'):
            DefectBank(tmp_path / 'bank')

    def test_it_is_newer(self, spoilt):
        manifest = json.loads((spoilt / 'manifest.json').read_text())
        manifest['format_version'] = 2
        (spoilt / 'manifest.json').write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match=r'format 2.*up to 1.*upgrade'):
            DefectBank(spoilt)

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
    def test_its_index_is_damaged(self, spoilt, damage):
        file = spoilt / 'index.npy'
        data = damage(file.read_bytes())
        file.unlink()
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(ValueError, match='make the bank again') as e:
            DefectBank(spoilt)
        assert str(spoilt) in str(e.value)

    @pytest.mark.parametrize(
        'index',
        [np.zeros(5, INDEX_DTYPE), np.zeros(6, '<u8')],
        ids=['length', 'columns'],
    )
    def test_its_index_is_of_another_bank(self, spoilt, index):
        np.save(spoilt / 'index.npy', index)
        with pytest.raises(ValueError, match='does not fit'):
            DefectBank(spoilt)

    @pytest.mark.parametrize(
        'text', ['', '{"format_version": 1, "clas', '{"format_version": 1}']
    )
    def test_its_manifest_is_damaged(self, spoilt, text):
        (spoilt / 'manifest.json').write_text(text)
        with pytest.raises(ValueError, match='make the bank again') as e:
            DefectBank(spoilt)
        assert str(spoilt) in str(e.value)

    @pytest.mark.parametrize('damage', ['missing', 'garbage', 'size', 'alpha'])
    def test_a_picture_is_damaged(self, spoilt, damage):
        bank = DefectBank(spoilt)
        (window,) = bank.windows_of('1.png')
        path = spoilt / 'images' / png_name(window.number)
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
