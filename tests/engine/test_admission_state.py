"""Verdicts are asked for again when what they depend on changes."""

import shutil
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


def test_detectors_of_other_stages_are_trained_anew(file):
    admit(read_admission(file), JudgedTools())
    cfg = read_admission(file)
    cfg.stages.bank.num = 5
    tools = JudgedTools()
    admit(cfg, tools)
    # Those without a part would be the same.
    assert len(tools.trained) == 6
    assert not any(name.endswith('/without') for name in tools.trained)


def test_what_keeps_the_stages_keeps_the_detectors(file):
    admit(read_admission(file), JudgedTools())
    cfg = read_admission(file)
    cfg.stages.admission.keep_unsure = False
    tools = JudgedTools()
    # Asked again, and trained are only combinations that were not.
    assert [v.kept for v in admit(cfg, tools)] == [False] * 3
    assert {name.split('/')[1] for name in tools.trained} == {'scenes', 'bank'}


def test_an_image_more_for_the_contrast_is_asked_about(file):
    images = file.parent / 'more'
    images.mkdir()
    with (file.parent / 'moco.py').open('a') as moco:
        more = dict(more=dict(img_folder=str(images)))
        moco.write(f'train_dataloader.update({more})\n')
    first = admit(read_admission(file), JudgedTools())
    assert admit(read_admission(file), make=False) == first
    shutil.copy(file.parent / 'labeled/images/0.png', images)
    with pytest.raises(ValueError, match='missing or stale'):
        admit(read_admission(file), make=False)


def test_teachers_that_see_images_otherwise_are_asked_about(file):
    def read(size):
        cfg = read_admission(file)
        cfg.test_dataloader.dataset.pipeline.append(
            dict(type='Resize', scale=(size, size))
        )
        return cfg

    admit(read(32), JudgedTools())
    with pytest.raises(ValueError, match='missing or stale'):
        admit(read(64), make=False)


def test_seeds_that_take_turns_are_asked_about_once(file):
    def read(seed):
        cfg = read_admission(file)
        cfg.randomness = dict(seed=seed)
        return cfg

    first = admit(read(0), JudgedTools(without=4))
    second = admit(read(7), JudgedTools(without=2))
    assert first != second
    for _ in range(2):
        assert admit(read(0), make=False) == first
        assert admit(read(7), make=False) == second
    with pytest.raises(ValueError, match='missing or stale'):
        admit(read(8), make=False)
