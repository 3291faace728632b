"""Banks made harmful for the benchmark of admission."""

import numpy as np
import pytest

from benchmarks.admission.harm import GRAY, HARMS, harmful_copy
from helpers import tiny_bank
from mmdet_ddpm_moco.bank.compositing import intersect
from mmdet_ddpm_moco.bank.reader import DefectBank

# Width and height of the images that the tiny bank was made on.
SIZES = dict.fromkeys(('1.png', 'a/1.png', 'b/1.png'), (200, 90))


@pytest.fixture
def made(tmp_path):
    tiny_bank.write(tmp_path / 'bank')

    def make(harm):
        out = harmful_copy(tmp_path / 'bank', tmp_path / harm, harm, SIZES)
        windows = {w.number: w for w in DefectBank(tmp_path / 'bank')}
        pairs = [(windows[w.number], w) for w in DefectBank(out)]
        assert len(pairs) == 4
        assert {w.kind for pair in pairs for w in pair} == {'add'}
        return DefectBank(tmp_path / 'bank'), DefectBank(out), pairs

    return make


def test_no_label_stays(made):
    _, _, pairs = made('shuffled labels')
    for old, new in pairs:
        assert new.label != old.label
        assert new.label in (0, 1)
        assert new.box == old.box


def test_boxes_leave_their_defects_but_not_the_image(made):
    _, _, pairs = made('shifted boxes')
    for old, new in pairs:
        x, y, w, h = new.box
        assert (w, h) == old.box[2:]
        assert 0 <= x <= 200 - w
        assert 0 <= y <= 90 - h
        _, _, wide, high = intersect(old.box, new.box)
        assert max(wide, 0) * max(high, 0) <= 0.16 * w * h
        assert new.label == old.label


def test_what_is_painted_becomes_gray(made):
    bank, gray, pairs = made('gray patches')
    for old, new in pairs:
        assert new == old
        pixels, alpha = bank.read(old)
        changed, same = gray.read(new)
        assert np.array_equal(alpha, same)
        assert (changed[alpha > 0] == GRAY).all()
        assert (pixels[alpha > 0] != GRAY).any()
        assert np.array_equal(changed[alpha == 0], pixels[alpha == 0])


@pytest.mark.parametrize('harm', HARMS)
def test_the_bank_it_is_made_from_stays(made, harm, tmp_path):
    def contents():
        return {
            file: file.read_bytes()
            for file in (tmp_path / 'bank').rglob('*')
            if file.is_file()
        }

    before = contents()
    made(harm)
    assert contents() == before
