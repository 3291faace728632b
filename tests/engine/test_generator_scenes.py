"""A generator that learns from the scenes of the teachers, too."""

import json
import shlex
from pathlib import Path

import pytest

from helpers.tiny_stages import BACKBONE, GENERATOR, make_stages_quick
from helpers.tiny_teachers import (
    Tools,
    read_detector,
    write_data,
    write_detector,
)
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.engine import teacher_stage
from mmdet_ddpm_moco.engine.inputs import images_of
from mmdet_ddpm_moco.engine.leakage import check_planned_leakage
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import prepare
from mmdet_ddpm_moco.teacher import defects, pseudo_labels
from mmdet_ddpm_moco.utils.provenance import read_record


@pytest.fixture
def root(tmp_path, monkeypatch):
    make_stages_quick(monkeypatch)
    monkeypatch.setattr(teacher_stage, 'run_logged', Tools())
    write_data(tmp_path)
    data = repr(str(tmp_path / 'labeled'))
    for name, text in (('ddpm.py', GENERATOR), ('moco.py', BACKBONE)):
        (tmp_path / name).write_text(text.replace('{data!r}', data))
    return tmp_path


def detector(root, **stages):
    stages.setdefault('generator', dict(config='ddpm.py', scenes=True))
    stages.setdefault(
        'bank',
        dict(
            num=8,
            num_inference_steps=1,
            max_window=32,
            mix=dict(add=1.0),
            missed=0.5,
        ),
    )
    return write_detector(root, **stages)


def names(file):
    return [stage.name for stage in stages_of(read_detector(file))]


def test_scenes_come_first_where_the_generator_learns_from_them(root):
    learns = dict(config='ddpm.py', scenes=True)
    moco = dict(config='moco.py')
    assert names(detector(root)) == ['teacher', 'generator', 'bank']
    file = detector(root, generator=learns, backbone=moco)
    # Teachers start from the backbone.
    assert names(file) == ['backbone', 'teacher', 'generator', 'bank']
    file = detector(root, generator=dict(config='ddpm.py'), backbone=moco)
    assert names(file) == ['generator', 'bank', 'backbone', 'teacher']


def test_the_command_of_the_bank_names_what_learned_from_scenes(root):
    stages = {s.name: s for s in stages_of(read_detector(detector(root)))}
    config = shlex.split(stages['bank'].command)[2]
    assert Path(config) == root / 'root/ddpm/ddpm.py'


def backbone_reads_bank(root):
    reads_bank = "train_dataloader['dataset']['ann_file'] = {!r}\n"
    bank = str(root / 'root/bank/annotations.json')
    with (root / 'moco.py').open('a') as file:
        file.write(reads_bank.format(bank))
    return detector(root, backbone=dict(config='moco.py'))


def test_stages_that_wait_for_each_other(root):
    file = backbone_reads_bank(root)
    cycle = 'wait for each other: bank for generator for teacher for backbone'
    with pytest.raises(ValueError, match=cycle):
        names(file)


def test_a_bank_that_only_the_backbone_reads(root):
    file = backbone_reads_bank(root)
    teacher = root / 'teacher.py'
    without = '\ncustom_hooks = []\nstages = None\n'
    teacher.write_text(file.read_text() + without)
    cfg = read_detector(file, **{'stages.teacher.config': str(teacher)})
    for part in ('scenes', 'bank'):
        del cfg.custom_hooks[0][part]
    found = [stage.name for stage in stages_of(cfg)]
    assert found == ['teacher', 'generator', 'bank', 'backbone']


def test_scenes_of_an_earlier_split_are_no_leak(root):
    """They are made anew before anything learns from them."""
    cfg = read_detector(detector(root))
    tested = next(images_of(cfg.test_dataloader))
    old = root / 'root' / 'scenes'
    old.mkdir(parents=True)
    image = dict(id=1, file_name=str(tested.relative_to(root)))
    known = dict(images=[dict(image, width=40, height=40)])
    (old / 'defects.json').write_text(json.dumps(known))

    def check():
        images = {s.name: s.images for s in stages_of(cfg) if s.images}
        check_planned_leakage(cfg, images)
        return images

    assert set(check()) == {'teacher', 'generator'}
    # What the teachers would label is still looked at.
    others = root / 'all' / 'train.json'
    coco = json.loads(others.read_bytes())
    coco['images'][0]['file_name'] = str(tested)
    others.write_text(json.dumps(coco))
    with pytest.raises(ValueError, match='validation and test images'):
        check()


def test_scenes_need_teachers(root):
    file = detector(root)
    cfg = read_detector(file)
    del cfg.stages.teacher
    cfg.custom_hooks[0].pop('scenes')
    with pytest.raises(ValueError, match=r'scenes=True.*no teacher=dict'):
        stages_of(cfg)


@pytest.mark.slow
def test_bank_and_generator_know_labels_and_scenes(root, monkeypatch):
    # Nearly untrained teachers are sure of nothing.
    monkeypatch.setattr(pseudo_labels, 'MIN_PROBABILITY', 0)
    monkeypatch.setattr(defects, 'CONFIDENT', 0)
    cfg = read_detector(detector(root))
    prepare(cfg)
    assert all(stage.fresh() for stage in stages_of(cfg))
    known = json.loads((root / 'root/scenes/defects.json').read_bytes())
    folders = {Path(i['file_name']).parts[0] for i in known['images']}
    assert folders == {'labeled', 'all'}
    # Six labeled images and six others.
    assert len(known['images']) == 12
    assert all(0 <= a['found'] <= 1 for a in known['annotations'])
    seen = read_record(root / 'root/ddpm/generator')
    assert seen is not None
    assert len(seen['images']) == 12
    bank = DefectBank(root / 'root/bank')
    hosts = {Path(source).parts[0] for source in bank.sources.values()}
    assert hosts <= folders
    number, source = next(iter(bank.sources.items()))
    # A pipeline finds windows by the path of an image.
    found = [w.number for w in bank.windows_of(root / source)]
    assert number in found
    # Scenes of an older version are made again, by the teachers there are.
    (root / 'root/scenes/defects.json').unlink()
    stages = {stage.name: stage for stage in stages_of(cfg)}
    assert not stages['teacher'].fresh()
    trained = len(teacher_stage.run_logged.trained)
    stages['teacher'].make()
    assert len(teacher_stage.run_logged.trained) == trained
    assert all(stage.fresh() for stage in stages_of(cfg))
