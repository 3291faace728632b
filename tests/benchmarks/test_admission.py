"""The benchmark of admission, and the banks it makes harmful."""

import numpy as np
import pytest
from mmengine.config import Config

from benchmarks.admission import __main__ as benchmark
from benchmarks.admission.__main__ import AGAIN, WITHOUT, detector
from benchmarks.admission.harm import GRAY, HARMS, harmful_copy
from helpers import tiny_bank
from helpers.tiny_admission import read_admission, write_admission
from mmdet_ddpm_moco.ablation.records import append_record
from mmdet_ddpm_moco.bank.compositing import intersect
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.engine.admission_folds import Fold
from mmdet_ddpm_moco.engine.image_sets import labeled_images
from mmdet_ddpm_moco.engine.inputs import own_hooks

# Width and height of the images that the tiny bank was made on.
SIZES = dict.fromkeys(('1.png', 'a/1.png', 'b/1.png'), (200, 90))


@pytest.fixture
def made(tmp_path):
    tiny_bank.write(tmp_path / 'bank')

    def make(harm):
        out = harmful_copy(tmp_path / 'bank', tmp_path / harm, harm, SIZES)
        windows = {w.number: w for w in DefectBank(tmp_path / 'bank')}
        pairs = [(windows[w.number], w) for w in DefectBank(out)]
        assert [w.kind for w in DefectBank(out)].count('null') == 1
        added = [pair for pair in pairs if pair[1].kind == 'add']
        assert len(added) == len(pairs) - 1 == 4
        return DefectBank(tmp_path / 'bank'), DefectBank(out), added

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


def test_a_box_as_wide_as_its_image_moves_the_other_way(tmp_path):
    box = (0, 20, 100, 8)
    windows = [(0, 'add', 0, '1.png', (0, 10, 100, 32), box)]
    bank = tiny_bank.write(tmp_path / 'bank', windows)
    sizes = {'1.png': (100, 80)}
    out = harmful_copy(bank, tmp_path / 'out', 'shifted boxes', sizes)
    (window,) = DefectBank(out)
    assert window.box in [(0, 14, 100, 8), (0, 26, 100, 8)]


def test_a_copy_of_another_bank_is_made_anew(tmp_path):
    window = (0, 'add', 0, '1.png', (0, 10, 48, 32), (10, 20, 8, 8))
    for label in (0, 1):
        other = (*window[:2], label, *window[3:])
        bank = tiny_bank.write(tmp_path / f'bank_{label}', [other])
        out = tmp_path / 'out'
        harmful_copy(bank, out, 'shuffled labels', SIZES)
        (found,) = DefectBank(out)
        assert found.label == 1 - label
        before = (out / 'manifest.json').stat().st_mtime_ns
        harmful_copy(bank, out, 'shuffled labels', SIZES)
        assert (out / 'manifest.json').stat().st_mtime_ns == before


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


def test_detectors_of_parts_differ_in_what_is_asked_about(tmp_path):
    cfg = read_admission(write_admission(tmp_path))
    cfg.randomness = dict(seed=3)
    labeled = labeled_images(cfg)
    fold = Fold(cfg, labeled, ['1.png', '4.png'], tmp_path / 'fold', 'x')
    found = {
        part: Config.fromfile(detector(fold, part, labeled))
        for part in (WITHOUT, AGAIN, 'scenes', 'bank')
    }
    assert len({c.work_dir for c in found.values()}) == 4
    assert [c.randomness.seed for c in found.values()] == [3, 1003, 3, 3]
    given = [
        [key for hook in own_hooks(c) for key in hook if key != 'type']
        for c in found.values()
    ]
    assert given == [[], [], ['scenes'], ['bank']]


def test_the_table_has_verdicts_of_the_present_recipe(tmp_path, monkeypatch):
    cfg = Config(dict(randomness=dict(seed=0)))
    monkeypatch.setattr(benchmark, 'recipe', lambda data, seed: cfg)
    monkeypatch.setattr(benchmark, 'RESULTS', tmp_path / 'results.jsonl')
    numbers = dict(without=50, low=-1, high=2, verdict='cannot tell', seed=0)
    for part, recipe, difference in (
        ('gray patches', benchmark.digest(cfg), 1),
        (AGAIN, benchmark.digest(cfg), 0.5),
        ('bank', 'another', 9),
    ):
        append_record(
            tmp_path / 'results.jsonl',
            dict(numbers, part=part, recipe=recipe, difference=difference),
        )
    assert benchmark.table(tmp_path).splitlines()[2:] == [
        '| again | 0 | 50.0 | +0.5 | -1.0 … +2.0 | cannot tell |',
        '| gray patches | 0 | 50.0 | +1.0 | -1.0 … +2.0 | cannot tell |',
    ]
