import json

import numpy as np
import pytest

from helpers.made_bank import (
    CLASSES,
    REAL,
    SIZE,
    load,
    write_bank,
    write_images,
)
from mmdet_ddpm_moco.bank.compositing import crop
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.window_geometry import window_size
from mmdet_ddpm_moco.evaluation.windows import (
    find_hosts,
    largest_window,
    paste_on_host,
    real_windows,
    synthesized_windows,
)


@pytest.fixture
def data(tmp_path):
    return load(write_images(tmp_path / 'data', number=3))


@pytest.fixture
def bank(tmp_path, data):
    return write_bank(tmp_path / 'bank', tmp_path / 'data/images', number=3)


def test_hosts_are_found_by_name(bank, data):
    hosts = find_hosts(bank, data)
    assert [w for w, _ in hosts] == [bank[i] for i in range(len(bank))]
    for window, image in hosts:
        assert data.images[image].file_name == f'{window.number // 4}.png'


def test_a_synthesized_window_is_pasted_on_its_host(bank, data):
    hosts = find_hosts(bank, data)
    windows = synthesized_windows(bank, hosts, data)
    kept = [(w, i) for w, i in hosts if w.kind != 'null']
    assert len(windows) == len(kept) == 9
    for made, (window, image) in zip(windows, kept):
        host = np.repeat(data.read(image), 3, axis=2)
        pixels, alpha = bank.read(window)
        expected = np.where(
            alpha[..., None] > 0, pixels, crop(host, window.window)
        )
        np.testing.assert_array_equal(made.pixels, expected)
        assert (made.label, made.kind) == (window.label, window.kind)
        x, y, w, h = made.box
        assert (made.pixels[y : y + h, x : x + w] == 250).all()
        assert made.whole is (window.label == 0 or 16 + 10 <= 32)


@pytest.mark.parametrize('channels', [1, 3])
def test_pasting_leaves_the_host_unchanged(bank, tmp_path, channels):
    root = tmp_path / 'data'
    data = load((root / 'ann.json', root / 'images'), channels)
    (window, image), *_ = find_hosts(bank, data)
    before = data.read(image).copy()
    pasted = paste_on_host(bank, data, window, image)
    np.testing.assert_array_equal(data.read(image), before)
    host = np.broadcast_to(before, pasted.shape)
    changed = (pasted != host).any(axis=2)
    inside = np.zeros(changed.shape, bool)
    crop(inside, window.window)[:] = True
    assert changed.any() and not changed[~inside].any()


def test_images_with_other_pixels(bank, tmp_path):
    other = write_images(tmp_path / 'other', number=3)
    for image in other[1].iterdir():
        number = int(image.stem)
        source = write_images(tmp_path / f'x{number}', 1, 50 + number)[1]
        (source / f'{50 + number}.png').replace(image)
    data = load(other)
    with pytest.raises(ValueError, match='does not belong to the image'):
        synthesized_windows(bank, find_hosts(bank, data), data)


def test_images_of_other_names(bank, tmp_path):
    data = load(write_images(tmp_path / 'other', number=2))
    with pytest.raises(ValueError, match=r'was made on 2\.png, which is not'):
        find_hosts(bank, data)


def test_other_classes(bank, tmp_path):
    data = load(write_images(tmp_path / 'o', 3, classes=('dent', 'pit')))
    with pytest.raises(ValueError, match='dent, pit') as error:
        find_hosts(bank, data)
    assert ', '.join(CLASSES) in str(error.value)


@pytest.mark.parametrize('text', ['', '[]', '{"images": []}'])
def test_damaged_annotations(bank, data, text):
    (bank.root / 'annotations.json').write_text(text)
    with pytest.raises(ValueError, match='make the bank again'):
        find_hosts(DefectBank(bank.root), data)


def test_real_windows_are_cut_as_synthesis_would(data):
    windows = real_windows(data, 32)
    assert len(windows) == 3 * len(REAL)
    again = real_windows(data, 32)
    for made, same, (label, *box) in zip(windows, again, REAL * 3):
        assert made.kind == 'real' and made.label == label
        np.testing.assert_array_equal(made.pixels, same.pixels)
        x, y, w, h = made.box
        assert [w, h] == box[2:]  # wholly inside
        inside = np.zeros(made.pixels.shape[:2], bool)
        inside[y : y + h, x : x + w] = True
        assert (made.pixels[inside] == 230).all()
        assert (made.pixels[~inside] < 140).all()
        # A rim on both sides, in steps of 16.
        for side, length in zip(made.pixels.shape[1::-1], (w, h)):
            assert side % 16 == 0
            assert length + 10 <= side
        assert made.pixels[..., 0].size <= 32**2
    assert any(
        (a.pixels.shape != b.pixels.shape) or (a.box != b.box)
        for a, b in zip(real_windows(data, 32, seed=1), windows)
    )


def test_windows_of_what_detectors_labeled_are_not_real(data, tmp_path):
    root = tmp_path / 'data'
    coco = json.loads((root / 'ann.json').read_bytes())
    coco['images'][1]['pseudo_labeled'] = True
    (root / 'ann.json').write_text(json.dumps(coco))
    labeled = real_windows(load((root / 'ann.json', root / 'images')), 32)
    assert [w.image for w in labeled] == [0] * len(REAL) + [2] * len(REAL)
    assert {w.image for w in real_windows(data, 32)} == {0, 1, 2}


def test_a_defect_larger_than_a_window_is_cut(data):
    windows = [w for w in real_windows(data, 16) if w.label == 1]
    for made in windows:
        assert made.pixels.shape[:2] == (16, 16) and not made.whole
        x, y, w, h = made.box
        assert min(x, y) >= 0 and max(x + w, y + h) <= 16


def test_sizes_are_those_of_synthesis(data):
    # The planner and the real windows draw from one rule.
    rng = np.random.RandomState(0)
    sizes = {window_size((0, 0, 10, 16), 64, rng) for _ in range(200)}
    assert sizes == {(32, 32), (32, 48), (48, 32), (48, 48)}
    assert SIZE == (64, 64)


def test_largest_window(bank):
    assert largest_window(bank) == 32
    del bank.manifest['max_window']
    assert largest_window(bank) == 32
