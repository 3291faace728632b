"""The bank's look-up by path, at size and in workers."""

import json
import multiprocessing
import pickle

import numpy as np
import pytest

from helpers.tiny_bank import CLASSES, WINDOWS, numbers, write
from mmdet_ddpm_moco.bank.format import INDEX_DTYPE, KINDS, source_key
from mmdet_ddpm_moco.bank.reader import DefectBank


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    return write(tmp_path_factory.mktemp('banks') / 'bank')


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

    def test_names_that_start_above_the_working_directory(
        self, tmp_path, monkeypatch
    ):
        """Those of scenes and labels start from their common folder."""
        name = f'{tmp_path.name}/a/1.png'
        number, kind, label, _, *places = WINDOWS[3]
        known = [(number, kind, label, name, *places)]
        bank = DefectBank(write(tmp_path / 'bank', known))
        monkeypatch.chdir(tmp_path)
        assert numbers(bank.windows_of('a/1.png')) == [number]
        monkeypatch.chdir(tmp_path.parent)
        assert not bank.windows_of('a/1.png')

    def test_equal_names_in_different_folders_stay_apart(self, tmp_path):
        known = [w for w in WINDOWS if w[3] == 'a/1.png']
        bank = DefectBank(write(tmp_path / 'bank', known))
        assert numbers(bank.windows_of('/data/a/1.png')) == [1, 4]
        assert bank.windows_of('/data/b/1.png') == []
        assert bank.windows_of('/data/1.png') == []

    def test_an_image_without_windows_has_not_those_of_a_shorter_name(
        self, tmp_path
    ):
        known = [w for w in WINDOWS if w[3] == '1.png']
        hosts = ['1.png', 'extra/1.png', 'extra/deep/2.png']
        bank = DefectBank(write(tmp_path / 'bank', known, hosts=hosts))
        assert numbers(bank.windows_of('/data/1.png')) == [5]
        assert bank.windows_of('/data/extra/1.png') == []
        assert numbers(bank.windows_of('/data/other/1.png')) == [5]
        # A bank of an older version knows those with windows alone.
        (tmp_path / 'bank' / 'hosts.npy').unlink()
        bank = DefectBank(tmp_path / 'bank')
        assert numbers(bank.windows_of('/data/extra/1.png')) == [5]

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
