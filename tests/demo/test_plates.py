"""The demo set as files: contents, determinism and half-made folders."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmdet_ddpm_moco.demo import plates
from mmdet_ddpm_moco.demo.plates import make_demo_set

SPLITS = ('train', 'unlabeled', 'test')


@pytest.fixture(scope='module')
def whole_set(tmp_path_factory):
    root = tmp_path_factory.mktemp('parent') / 'new' / 'demo'
    make_demo_set(root)
    return root


@pytest.fixture
def small(monkeypatch):
    sizes = {'train': (4, 1), 'unlabeled': (2, 2), 'test': (3, 1)}
    monkeypatch.setattr(plates, 'SPLITS', sizes)


def read(root: Path, split: str) -> dict:
    return json.loads((root / 'annotations' / f'{split}.json').read_text())


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def test_counts(whole_set):
    def counts(split):
        coco = read(whole_set, split)
        labeled = {a['image_id'] for a in coco['annotations']}
        return len(coco['images']), len(labeled)

    assert counts('train') == (42, 36)
    assert counts('unlabeled') == (400, 0)
    assert counts('test') == (120, 90)
    for split in ('train', 'test'):
        coco = read(whole_set, split)
        owners = [a['image_id'] for a in coco['annotations']]
        assert max(map(owners.count, owners)) <= 3
        for category in (1, 2, 3):
            kinds = [a['category_id'] for a in coco['annotations']]
            assert kinds.count(category) >= len(kinds) / 5


def test_no_image_is_in_two_splits(whole_set):
    images = [i for split in SPLITS for i in read(whole_set, split)['images']]
    assert len({i['id'] for i in images}) == len(images) == 562
    names = {i['file_name'] for i in images}
    stored = {path.name for path in (whole_set / 'images').iterdir()}
    assert names == stored and len(names) == len(images)
    pixels = {
        cv2.imread(str(whole_set / 'images' / n), -1).tobytes() for n in names
    }
    assert len(pixels) == len(images)


def test_images_are_gray_and_of_the_size_they_say(whole_set):
    for split in SPLITS:
        for info in read(whole_set, split)['images'][:5]:
            path = whole_set / 'images' / info['file_name']
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert image.dtype == np.uint8
            assert image.shape == (info['height'], info['width'])
            assert image.shape == (160, 160)


@pytest.mark.parametrize('split', ['train', 'test'])
def test_pycocotools_reads_annotations_which_agree(whole_set, split):
    coco = COCO(str(whole_set / 'annotations' / f'{split}.json'))
    names = {c['id']: c['name'] for c in coco.loadCats(coco.getCatIds())}
    assert names == {1: 'corrosion', 2: 'dent', 3: 'scratch'}
    assert len(set(coco.getAnnIds())) == len(coco.dataset['annotations'])
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation).astype(bool)
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation['bbox']
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
        assert annotation['area'] == mask.sum()
        assert annotation['iscrowd'] == 0
        assert isinstance(annotation['segmentation']['counts'], str)


def test_annotations_are_those_of_their_image(tmp_path, small, monkeypatch):
    rendered = []
    render_plate = plates.render_plate

    def record(rng, defects, size):
        rendered.append(render_plate(rng, defects, size))
        return rendered[-1]

    monkeypatch.setattr(plates, 'render_plate', record)
    make_demo_set(tmp_path / 'demo')
    calls = iter(rendered)
    for split in SPLITS:
        coco = read(tmp_path / 'demo', split)
        for info in coco['images']:
            image, found = next(calls)
            path = tmp_path / 'demo' / 'images' / info['file_name']
            assert np.array_equal(cv2.imread(str(path), -1), image)
            stored = [
                a for a in coco['annotations'] if a['image_id'] == info['id']
            ]
            expected = [] if split == 'unlabeled' else found
            assert len(stored) == len(expected)
            for annotation, defect in zip(stored, expected):
                kinds = ['corrosion', 'dent', 'scratch']
                assert kinds[annotation['category_id'] - 1] == defect.label
                mask = coco_mask.decode(annotation['segmentation'])
                assert np.array_equal(mask.astype(bool), defect.mask)


def test_equal_seeds_give_equal_bytes(tmp_path, small):
    for name, seed in (('a', 7), ('b', 7), ('c', 8)):
        make_demo_set(tmp_path / name, seed)
    a, b, c = (files(tmp_path / name) for name in 'abc')
    assert a == b
    assert a.keys() == c.keys()
    assert all(a[name] != c[name] for name in a)


def fail_at(monkeypatch, call):
    """Makes the given call of ``render_plate`` an interruption."""
    calls = []
    render_plate = plates.render_plate

    def render(*args):
        calls.append(args)
        if len(calls) == call:
            raise KeyboardInterrupt
        return render_plate(*args)

    monkeypatch.setattr(plates, 'render_plate', render)


def test_an_interrupted_run_leaves_nothing(tmp_path, small, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, call=7)
        with pytest.raises(KeyboardInterrupt):
            make_demo_set(tmp_path / 'demo')
    assert list(tmp_path.iterdir()) == []
    make_demo_set(tmp_path / 'demo')
    assert [path.name for path in tmp_path.iterdir()] == ['demo']


def test_a_complete_set_is_kept(tmp_path, small, monkeypatch):
    make_demo_set(tmp_path / 'demo', 1)
    before = files(tmp_path / 'demo')
    fail_at(monkeypatch, call=1)
    make_demo_set(tmp_path / 'demo', 1)
    assert files(tmp_path / 'demo') == before


def test_anything_else_is_refused(tmp_path, small):
    root = tmp_path / 'demo'
    make_demo_set(root, 1)

    def refused(path, seed):
        before = files(path)
        with pytest.raises(ValueError, match='give another folder') as caught:
            make_demo_set(path, seed)
        assert '\n' not in str(caught.value) and str(path) in str(caught.value)
        assert files(path) == before

    refused(root, 2)
    (root / 'images' / 'test_0001.png').unlink()
    refused(root, 1)
    (root / 'annotations' / 'train.json').write_text('{"half')
    refused(root, 1)
    (root / 'annotations' / 'train.json').write_text('[]')
    refused(root, 1)
    (tmp_path / 'a_file').write_text('mine')
    refused(tmp_path / 'a_file', 1)
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'notes.txt').write_text('mine')
    refused(tmp_path / 'mine', 1)


def test_an_empty_folder_is_filled(tmp_path, small):
    (tmp_path / 'demo').mkdir()
    make_demo_set(tmp_path / 'demo')
    assert len(read(tmp_path / 'demo', 'test')['images']) == 4


@pytest.mark.parametrize('same', [True, False])
def test_another_process_was_faster(tmp_path, small, monkeypatch, same):
    write_set = plates._write_set

    def overtaken(folder, seed):
        write_set(folder, seed)
        if same:
            shutil.copytree(folder, tmp_path / 'demo')
        else:
            (tmp_path / 'demo' / 'other').mkdir(parents=True)

    monkeypatch.setattr(plates, '_write_set', overtaken)
    if same:
        make_demo_set(tmp_path / 'demo')
        assert len(files(tmp_path / 'demo')) == 16
    else:
        with pytest.raises(ValueError, match='give another folder'):
            make_demo_set(tmp_path / 'demo')
        assert [p.name for p in (tmp_path / 'demo').iterdir()] == ['other']


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ValueError, match='0 or above, not -1'):
        make_demo_set(tmp_path / 'demo', -1)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported(tmp_path, small, monkeypatch):
    monkeypatch.setattr(plates.cv2, 'imwrite', lambda *_: False)
    with pytest.raises(OSError, match='disk full'):
        make_demo_set(tmp_path / 'demo')
    assert list(tmp_path.iterdir()) == []
