"""A bank pasted into whole images."""

import json

import cv2
import numpy as np
import pytest

from helpers.made_bank import REAL, WINDOWS, load, write_bank, write_images
from mmdet_ddpm_moco.evaluation import composites
from mmdet_ddpm_moco.evaluation.composites import write_composites

NUMBER = 2


@pytest.fixture
def made(tmp_path):
    paths = write_images(tmp_path / 'data', number=NUMBER)
    bank = write_bank(tmp_path / 'bank', paths[1], number=NUMBER)
    return bank, load(paths), tmp_path / 'out'


def written(folder):
    found = json.loads((folder / 'annotations.json').read_bytes())
    images = [
        cv2.imread(str(folder / 'images' / image['file_name']))
        for image in found['images']
    ]
    return found, images


def labels(found, image_id, crowd):
    return sorted(
        (a['category_id'] - 1, *a['bbox'])
        for a in found['annotations']
        if (a['image_id'], a['iscrowd']) == (image_id, crowd)
    )


def test_labels_are_synthesized_and_real_ones_crowds(made):
    bank, data, out = made
    counts = write_composites(bank, data, out)
    found, _ = written(out)
    # The last window overlaps the first: each host comes twice.
    assert counts == dict(images=2 * NUMBER, boxes=3 * NUMBER)
    assert [c['name'] for c in found['categories']] == list(bank.classes)
    add, replaces, _, other = ((label, *box) for _, label, _, box in WINDOWS)
    for host in range(NUMBER):
        first, second = 2 * host + 1, 2 * host + 2
        assert labels(found, first, 0) == sorted([add, replaces])
        # That of the other class was replaced.
        assert labels(found, first, 1) == [REAL[0]]
        assert labels(found, second, 0) == [other]
        assert labels(found, second, 1) == sorted(REAL)


def test_parts_of_one_defect_are_one_box(tmp_path):
    """A defect larger than a window is replaced in parts, of its whole box."""
    paths = write_images(tmp_path / 'data', number=1)
    box = (40, 8, 6, 16)
    parts = [('replaces', 1, (38, y, 10, 8), box) for y in (8, 16)]
    bank = write_bank(tmp_path / 'bank', paths[1], parts, number=1)
    counts = write_composites(bank, load(paths), tmp_path / 'out')
    assert counts == dict(images=1, boxes=1)
    found, _ = written(tmp_path / 'out')
    assert labels(found, 1, 0) == [(1, *box)]
    assert labels(found, 1, 1) == [REAL[0]]


def test_pixels_outside_of_windows_are_those_of_the_hosts(made):
    bank, data, out = made
    write_composites(bank, data, out)
    _, images = written(out)
    for number, image in enumerate(images):
        host = cv2.imread(str(data.images[number // 2].path))
        expected = host.copy()
        for index in (0, 1, 2) if number % 2 == 0 else (3,):
            window = bank[number // 2 * len(WINDOWS) + index]
            x, y, w, h = window.window
            pixels, alpha = bank.read(window)
            part = expected[y : y + h, x : x + w]
            part[alpha > 0] = pixels[alpha > 0]
        np.testing.assert_array_equal(image, expected)
        assert (expected != host).any()


def test_crowds_stay_crowds(made):
    bank, data, out = made
    file = data.images[0].path.parents[1] / 'ann.json'
    content = json.loads(file.read_bytes())
    content['annotations'].append(
        dict(id=99, image_id=0, category_id=1, bbox=[0, 50, 9, 9], iscrowd=1)
    )
    file.write_text(json.dumps(content))
    write_composites(bank, load((file, file.parent / 'images')), out)
    found, _ = written(out)
    assert (0, 0, 50, 9, 9) in labels(found, 1, 1)
    assert (0, 0, 50, 9, 9) in labels(found, 2, 1)
    assert (0, 0, 50, 9, 9) not in labels(found, 3, 1)


def test_finished_composites_are_kept_for_the_same_bank(
    made, monkeypatch, tmp_path
):
    bank, data, out = made
    counts = write_composites(bank, data, out)
    with monkeypatch.context() as patch:
        patch.setattr(composites, '_write', None)
        assert write_composites(bank, data, out) == counts
    images = data.images[0].path.parent
    other = write_bank(tmp_path / 'b', images, WINDOWS[:1], number=NUMBER)
    assert write_composites(other, data, out)['boxes'] == NUMBER


def test_composites_are_written_again_after_a_kill(made, monkeypatch):
    bank, data, out = made
    counts = write_composites(bank, data, out)
    (bank.root / 'manifest.json').write_text(
        (bank.root / 'manifest.json').read_text() + ' '
    )

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cv2, 'imwrite', killed)
        with pytest.raises(KeyboardInterrupt):
            write_composites(bank, data, out)
    # Neither the old annotations, whose images may be gone, nor new ones.
    assert not (out / 'annotations.json').exists()
    assert write_composites(bank, data, out) == counts


def test_a_bank_of_other_annotations(made):
    bank, data, out = made
    file = data.images[0].path.parents[1] / 'ann.json'
    content = json.loads(file.read_bytes())
    content['annotations'][1]['bbox'][0] += 3
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='replaces a defect that is not'):
        write_composites(bank, load((file, file.parent / 'images')), out)
