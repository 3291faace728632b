"""Parts that harm on the user's own labels are left out."""

import json

import cv2
import numpy as np
import pytest

from helpers.tiny_admission import (
    JudgedTools,
    near_copy,
    read_admission,
    write_admission,
)
from helpers.tiny_stages import edit, make_stages_quick
from helpers.tiny_teachers import Tools
from mmdet_ddpm_moco.engine import admission_verdicts
from mmdet_ddpm_moco.engine.admission import admit
from mmdet_ddpm_moco.engine.admission_verdicts import Verdict, verdict
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import check_prepared


@pytest.fixture
def file(tmp_path):
    return write_admission(tmp_path)


def hook_of(cfg):
    (hook,) = cfg.custom_hooks
    return {k: v for k, v in hook.items() if k != 'type'}


@pytest.mark.parametrize(
    'low, high, said',
    [
        (0.1, 2, 'helps'),
        (-2, -0.1, 'harms'),
        (-1, 1, 'cannot tell'),
        (0, 1, 'cannot tell'),
    ],
)
def test_what_an_interval_says(low, high, said):
    assert verdict(low, high) == said


def test_each_part_is_judged_on_top_of_those_that_were_kept(file):
    tools = JudgedTools(
        without=3, checkpoint=3, checkpoint_scenes=0, checkpoint_bank=6
    )
    cfg = read_admission(file)
    found = admit(cfg, tools)
    assert [(v.part, v.verdict, v.kept) for v in found] == [
        ('checkpoint', 'cannot tell', True),
        ('scenes', 'harms', False),
        ('bank', 'helps', True),
    ]
    assert tools.trained == [
        f'{fold}/{name}'
        for name in (
            'without',
            'checkpoint',
            'checkpoint+scenes',
            'checkpoint+bank',
        )
        for fold in (0, 1)
    ]
    assert found[0].difference == 0
    assert found[2].without == found[0].without
    assert found[2].without + found[2].difference == pytest.approx(100)
    root = file.parent / 'root'
    assert hook_of(cfg) == dict(
        checkpoint=str(root / 'moco/backbone.pth'), bank=str(root / 'bank')
    )
    # So its stages are not made either.
    assert [s.name for s in stages_of(cfg)] == [
        'generator',
        'bank',
        'backbone',
    ]
    report = (root / 'admission/report.md').read_text()
    assert '| scenes | ' in report
    assert '| harms | no |' in report


def test_unsure_parts_can_be_left_out_and_the_hook_with_them(tmp_path):
    file = write_admission(tmp_path, keep_unsure=False)
    cfg = read_admission(file)
    found = admit(cfg, JudgedTools())
    assert [v.kept for v in found] == [False] * 3
    assert cfg.custom_hooks == []
    assert stages_of(cfg) == []


def test_verdicts_are_asked_for_once(file, capsys):
    first = admit(read_admission(file), JudgedTools(bank=6))
    assert 'admission: 2 folds x 4 trainings' in capsys.readouterr().out
    tools = JudgedTools(bank=0)
    assert admit(read_admission(file), tools) == first
    assert tools.trained == []
    # --no-prepare takes them, too.
    cfg = read_admission(file)
    admit(cfg, make=False)
    assert 'scenes' in hook_of(cfg)
    edit(file.parent / 'labeled/train.json', '[4, 6, 12, 10]', '[4, 6, 12, 9]')
    with pytest.raises(ValueError, match='stale and --no-prepare'):
        check_prepared(read_admission(file))
    admit(read_admission(file), tools)
    assert len(tools.trained) == 8


@pytest.mark.parametrize('name', ['all/train.json', 'others.json'])
def test_other_unlabeled_images_are_asked_about_again(file, name):
    root = file.parent
    (root / 'others.json').write_bytes((root / 'all/train.json').read_bytes())
    with (root / 'moco.py').open('a') as moco:
        moco.write(
            f"train_dataloader.update(more=dict(ann_file='{root}/others.json'))\n"
        )
    admit(read_admission(file), JudgedTools())
    path = root / name
    path.write_text(path.read_text() + ' ')
    with pytest.raises(ValueError, match='missing or stale'):
        admit(read_admission(file), make=False)


def test_an_image_more_in_an_unlabeled_folder_is_asked_about(file):
    images = file.parent / 'more'
    images.mkdir()
    cv2.imwrite(str(images / 'a.png'), np.full((40, 40, 3), 7, np.uint8))

    def read():
        cfg = read_admission(file)
        cfg.stages.teacher.unlabeled = str(images)
        return cfg

    first = admit(read(), JudgedTools())
    assert admit(read(), make=False) == first
    cv2.imwrite(str(images / 'b.png'), np.full((40, 40, 3), 8, np.uint8))
    with pytest.raises(ValueError, match='missing or stale'):
        admit(read(), make=False)


def test_what_the_stages_make_later_changes_no_verdict(file):
    bank = file.parent / 'root/bank/annotations.json'
    with (file.parent / 'moco.py').open('a') as moco:
        moco.write(f"train_dataloader.update(more=dict(ann_file='{bank}'))\n")
    first = admit(read_admission(file), JudgedTools())
    bank.parent.mkdir(parents=True)
    bank.write_text('{}')
    assert admit(read_admission(file), make=False) == first


@pytest.mark.parametrize(
    'spelling', ['scenes/', './scenes', 'scenes/../scenes']
)
def test_a_part_is_judged_however_its_path_is_spelled(file, spelling):
    root = file.parent / 'root'
    cfg = read_admission(file)
    cfg.custom_hooks = [dict(type='DDPMMoCoHook', scenes=f'{root}/{spelling}')]
    (found,) = admit(cfg, JudgedTools(without=4, scenes=0))
    assert (found.part, found.kept) == ('scenes', False)
    assert cfg.custom_hooks == []


def test_near_copies_are_in_one_fold(file):
    images = file.parent / 'labeled/images'
    # Of another kind: each fold would get one of them.
    near_copy(images / '0.png', images / '1.png')
    near_copy(images / '2.png', images / '3.png')
    admit(read_admission(file), JudgedTools())
    for fold in (0, 1):
        held_out = file.parent / f'root/admission/{fold}/held_out.json'
        names = {
            image['file_name']
            for image in json.loads(held_out.read_bytes())['images']
        }
        assert len(names) == 3
        assert ('0.png' in names) == ('1.png' in names)
        assert ('2.png' in names) == ('3.png' in names)


def test_a_detector_that_reads_no_part_is_not_judged(file):
    cfg = read_admission(file)
    cfg.custom_hooks = []
    tools = JudgedTools()
    assert admit(cfg, tools) == []
    assert tools.trained == []


def test_without_admission_nothing_is_asked(file):
    cfg = read_admission(file)
    del cfg.stages.admission
    before = cfg.pretty_text
    assert admit(cfg, JudgedTools()) == []
    assert cfg.pretty_text == before


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(fold=3), 'stages.admission has no fold; it takes folds'),
        (dict(folds=1), 'folds'),
        (dict(folds=9), '9 folds need'),
    ],
)
def test_wrong_options_cost_nothing(tmp_path, options, message):
    cfg = read_admission(write_admission(tmp_path, **options))
    tools = JudgedTools()
    with pytest.raises(ValueError, match=message):
        admit(cfg, tools)
    assert tools.trained == []


@pytest.mark.parametrize('part', ['bank', 'scenes'])
def test_a_part_that_a_pipeline_names_is_refused_first(file, part):
    cfg = read_admission(file)
    transform = dict(type='mmdet_ddpm_moco.DiffusionDefectAugment')
    cfg.train_dataloader.dataset.pipeline.append(
        dict(transform, **{part: f'some/{part}'})
    )
    tools = JudgedTools()
    with pytest.raises(ValueError, match=f'cannot make some/{part} anew'):
        admit(cfg, tools)
    assert tools.trained == []


@pytest.mark.parametrize('part', ['bank', 'scenes', 'checkpoint'])
def test_a_part_that_no_stage_makes_is_refused_first(file, part):
    cfg = read_admission(file)
    cfg.custom_hooks[0][part] = f'some/{part}'
    tools = JudgedTools()
    with pytest.raises(ValueError, match=f'cannot make some/{part} anew'):
        admit(cfg, tools)
    assert tools.trained == []


def test_a_verdict_in_one_line():
    line = str(Verdict('bank', 50.04, -1.26, -3, -0.5, False))
    assert line == 'bank harms: AP50 50.0 -1.3 (-3.0 … -0.5), left out'


@pytest.mark.slow
def test_real_trainings_judge(tmp_path, monkeypatch):
    make_stages_quick(monkeypatch)
    monkeypatch.setattr(admission_verdicts, 'RESAMPLES', 20)
    cfg = read_admission(
        write_admission(tmp_path, stages=dict(bank=dict(num=2)))
    )
    for part, stage in (('scenes', 'teacher'), ('checkpoint', 'backbone')):
        del cfg.stages[stage]
        cfg.custom_hooks[0].pop(part)
    (found,) = admit(cfg, Tools())
    assert found.part == 'bank'
    for fold in (0, 1):
        folder = tmp_path / f'root/admission/{fold}'
        bank = json.loads((folder / 'stages/bank/manifest.json').read_bytes())
        assert bank['kept'] == 2
        assert (folder / 'bank/detections.bbox.json').is_file()
    names = [stage.name for stage in stages_of(cfg)]
    assert names == (['generator', 'bank'] if found.kept else [])


def test_classes_that_the_detector_lacks_do_not_count(file):
    labels = file.parent / 'labeled/train.json'
    coco = json.loads(labels.read_bytes())
    coco['categories'].append(dict(id=9, name='rust'))
    spare = dict(coco['annotations'][0], id=999, category_id=9)
    coco['annotations'].append(spare)
    labels.write_text(json.dumps(coco))
    (found, *_) = admit(read_admission(file), JudgedTools(without=6))
    assert found.without == pytest.approx(100)
