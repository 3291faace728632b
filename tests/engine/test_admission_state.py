"""Verdicts are asked for again when what they depend on changes."""

from dataclasses import asdict

import pytest
from mmengine.config import Config

from helpers.tiny_admission import (
    JudgedTools,
    add_line,
    read_admission,
    write_admission,
    write_list,
)
from mmdet_ddpm_moco.engine.admission import AdmissionOptions, admit
from mmdet_ddpm_moco.engine.admission_state import admission_state


@pytest.fixture
def file(tmp_path):
    return write_admission(tmp_path)


def resumed(file, load_from):
    """As tools/train.py reads a config with ``--resume``."""
    cfg = read_admission(file)
    cfg.resume, cfg.load_from = True, load_from
    return cfg


def test_a_run_resumed_from_a_checkpoint_is_not_judged_again(file):
    add_line(file, "load_from = 'coco.pth'")
    first = admit(read_admission(file), JudgedTools())
    cfg = resumed(file, 'work/epoch_3.pth')
    assert admit(cfg, make=False) == first
    # The run itself goes on from there.
    assert (cfg.resume, cfg.load_from) == (True, 'work/epoch_3.pth')
    add_line(file, "load_from = 'other.pth'")
    with pytest.raises(ValueError, match='missing or stale'):
        admit(resumed(file, 'work/epoch_3.pth'), make=False)


def test_a_resumed_run_may_name_again_what_it_began_from(file):
    # --cfg-options load_from=coco.pth, then with --resume.
    cfg = read_admission(file)
    cfg.load_from = 'coco.pth'
    first = admit(cfg, JudgedTools())
    assert admit(resumed(file, 'coco.pth'), make=False) == first


def test_folds_do_not_go_on_from_the_checkpoint(file):
    add_line(file, "load_from = 'coco.pth'")
    admit(resumed(file, 'work/epoch_3.pth'), JudgedTools())
    folds = [*(file.parent / 'root/admission').glob('*/*/detector.py')]
    assert len(folds) == 8
    for fold in folds:
        cfg = Config.fromfile(fold)
        assert not cfg.get('resume')
        assert cfg.load_from == 'coco.pth'
    # So they are those of a run from the beginning.
    admit(read_admission(file), make=False)


@pytest.mark.parametrize(
    'recipe', ['generator', 'backbone', 'teacher', 'admission']
)
def test_lists_that_options_name_are_read(file, recipe):
    root = file.parent
    labels = write_list(
        root / 'few.json', root / 'labeled/train.json', range(6)
    )

    def state():
        cfg = read_admission(file)
        cfg.stages[recipe].options = {
            'train_dataloader.dataset.ann_file': labels
        }
        options = asdict(AdmissionOptions(**cfg.stages.admission))
        return admission_state(cfg, ['bank'], options)

    before = state()
    assert state() == before
    write_list(root / 'few.json', root / 'labeled/train.json', range(5))
    assert state() != before
