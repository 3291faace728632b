import cv2
import numpy as np

from benchmarks.speed.plates import WINDOW, WINDOWS, write_plates
from benchmarks.speed.transform import measure_transform
from mmdet_ddpm_moco.bank.compositing import overlaps
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages


def test_windows_belong_to_the_images_and_are_apart(tmp_path):
    root = write_plates(tmp_path / 'a', 2, 512)
    bank = DefectBank(root / 'bank')
    data = LabeledImages(str(root / 'train.json'), str(root / 'images'), 3)
    for image in data.images:
        windows = bank.windows_of(image.path)
        assert [w.window[2:] for w in windows] == [(WINDOW, WINDOW)] * WINDOWS
        places = [w.window for w in windows]
        places += [d.box for d in image.defects]
        for i, a in enumerate(places):
            assert not any(overlaps(a, b) for b in places[:i])
        pixels = cv2.imread(str(image.path))
        before = pixels.copy()
        for window in windows:
            bank.paste(window, pixels)
        assert not np.array_equal(pixels, before)
    again = write_plates(tmp_path / 'b', 2, 512)
    for path in root.rglob('*.*'):
        same = again / path.relative_to(root)
        assert same.read_bytes() == path.read_bytes()


def test_rows_of_one_size():
    rows, setting = measure_transform(sides=(512,), images=1, repeats=1)
    assert [row.part for row in rows] == ['512x512'] * 5
    assert all(row.value is not None for row in rows)
    assert rows[1].most == 8 and rows[4].most == 1
    ours, theirs, ratio = (row.value for row in rows[2:])
    assert ratio == ours / theirs
    assert 'windows' in setting
