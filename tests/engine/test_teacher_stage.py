"""Teachers as a stage: when they are trained, and from what."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from helpers.tiny_detection import KeepBoxesHook
from helpers.tiny_stages import (
    BACKBONE,
    edit,
    refusal,
)
from helpers.tiny_teachers import (
    fresh,
    read_detector,
    write_data,
    write_detector,
)
from mmdet_ddpm_moco.bank import scenes as bank_scenes
from mmdet_ddpm_moco.bank.scenes import MANIFEST, Scenes
from mmdet_ddpm_moco.checkpoints.weights_only import load_weights_only
from mmdet_ddpm_moco.engine import teacher_stage
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import prepare
from mmdet_ddpm_moco.engine.teachers import make_pseudo_labels
from mmdet_ddpm_moco.engine.training import stage_state, train
from mmdet_ddpm_moco.teacher import pseudo_labels
from mmdet_ddpm_moco.utils.fileio import read_json
from mmdet_ddpm_moco.utils.paths import shipped


class Killed(BaseException):
    pass


pytestmark = pytest.mark.usefixtures('log')


@pytest.fixture
def new(tmp_path):
    """A detector of which nothing is made yet."""
    return write_detector(write_data(tmp_path))


def test_the_hook_has_the_teachers_made(new):
    cfg = read_detector(new)
    root = new.parent / 'root'
    assert cfg.custom_hooks[0].scenes == str(root / 'scenes')
    (stage,) = stages_of(cfg)
    assert (stage.name, stage.output) == ('teacher', root / 'scenes')
    assert not stage.fresh()


def test_scenes_that_nothing_reads_are_not_made(new):
    cfg = read_detector(new)
    cfg.custom_hooks = []
    assert stages_of(cfg) == []


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(new, tools, monkeypatch, log):
    def killed(command, log, on_line=None):
        if command[2].endswith('teachers/1/detector.py'):
            raise Killed
        return tools(command, log, on_line)

    with monkeypatch.context() as patch:
        patch.setattr(teacher_stage, 'run_logged', killed)
        with pytest.raises(Killed):
            prepare(read_detector(new))
    assert not fresh(new)
    assert tools.trained == ['0']
    prepare(read_detector(new))
    assert fresh(new)
    assert tools.trained == ['0', '1']
    assert any('resuming in' in line for line in log)
    assert not list((new.parent / 'root').glob('*.old-*'))


def run_tool(command, monkeypatch, tools):
    """tools/pseudo_label.py with the arguments of a printed command."""
    assert command[:2] == ['python', 'tools/pseudo_label.py']
    tool = str(shipped('tools') / 'pseudo_label.py')
    with monkeypatch.context() as patch:
        patch.setattr(sys, 'argv', [tool, *command[2:]])
        patch.setitem(make_pseudo_labels.__kwdefaults__, 'command', tools)
        runpy.run_path(tool)['main']()


@pytest.mark.parametrize('way', ['own', 'root', 'flips', 'other'])
def test_the_command_does_what_the_stage_does(new, tools, monkeypatch, way):
    """Also for another root, no flips of its own, and another config."""
    root, options = new.parent / 'root', {}
    if way == 'flips':
        options['stages.teacher.flips'] = None
    if way == 'root':
        root = new.parent / 'elsewhere'
        options['stages.root'] = str(root)
    if way == 'other':
        shutil.copy(new, new.parent / 'teacher.py')
        edit(new.parent / 'teacher.py', 'lr=0.0001', 'lr=0.0003')
        options['stages.teacher.config'] = 'teacher.py'
        options['stages.teacher.options'] = {'train_cfg.max_epochs': 2}
    head, (command,) = refusal(read_detector(new, **options))
    assert str(root / 'scenes') in head
    assert not root.exists()
    run_tool(command, monkeypatch, tools)
    assert tools.trained == ['0', '1']
    assert fresh(new, **options)
    # Where none are given, those of a training that has none.
    made = read_json(root / 'scenes' / MANIFEST)['options']
    assert made['flips'] == ['none']
    teacher = Config.fromfile(root / 'scenes/teachers/0/detector.py')
    lr, epochs = (3e-4, 2) if way == 'other' else (1e-4, 1)
    assert teacher.optim_wrapper.optimizer.lr == lr
    assert teacher.train_cfg.max_epochs == epochs


@pytest.mark.slow
def test_teachers_start_from_the_weights_of_the_backbone(new, tools):
    data = new.parent / 'labeled'
    moco = BACKBONE.replace('{data!r}', repr(str(data)))
    (new.parent / 'moco.py').write_text(moco)
    write_detector(new.parent, backbone=dict(config='moco.py'))
    cfg = read_detector(new)
    assert [s.name for s in stages_of(cfg)] == ['backbone', 'teacher']
    prepare(cfg)
    root = new.parent / 'root'
    made = load_weights_only(root / 'moco/backbone.pth')['state_dict']
    begun = load_weights_only(root / 'scenes/teachers/0/backbone_init.pth')
    weights = {k.removeprefix('backbone.'): v for k, v in made.items()}
    assert len(weights) > 100
    for key, value in begun['state_dict'].items():
        assert value.equal(weights[key.removeprefix('backbone.')]), key
    assert all(stage.fresh() for stage in stages_of(cfg))
    # Other weights want other teachers.
    edit(new.parent / 'moco.py', 'seed=0', 'seed=1')
    stages_of(cfg)[0].make()
    assert [s.fresh() for s in stages_of(cfg)] == [True, False]


@pytest.mark.slow
def test_a_detector_trains_on_what_its_teachers_find(new, tools, monkeypatch):
    # Nearly untrained, they find everything everywhere and know little.
    monkeypatch.setattr(pseudo_labels, 'MIN_PROBABILITY', 0)
    monkeypatch.setattr(bank_scenes, 'MIN_DEFECTS', 0)
    learn = {
        'model.rpn_head.anchor_generator.scales': [3],
        'randomness.seed': 0,
    }
    cfg = read_detector(
        new,
        **{
            'stages.teacher.options': learn,
            'custom_hooks.0.scene_prob': 1.0,
        },
    )
    prepare(cfg)
    made = Scenes(new.parent / 'root/scenes')
    used = [made[int(i)] for i in made.usable()]
    assert used
    cfg.launcher = 'none'
    cfg.custom_hooks.append(dict(type='KeepBoxesHook'))
    train(cfg)
    assert stage_state(cfg.work_dir)['finished']
    # Each sample is one of the scenes, with some of its boxes.
    assert len(KeepBoxesHook.all()) == 6
    assert max(KeepBoxesHook.all()) <= max(len(s.boxes) for s in used)


def test_a_backbone_for_the_teachers_alone_is_made_too(new):
    (new.parent / 'moco.py').write_text(
        BACKBONE.replace('{data!r}', repr(str(new.parent / 'labeled')))
    )
    write_detector(new.parent, backbone=dict(config='moco.py'))
    shutil.copy(new, new.parent / 'teacher.py')
    cfg = read_detector(
        new, **{'stages.teacher.config': str(new.parent / 'teacher.py')}
    )
    cfg.custom_hooks = [
        dict(type='DDPMMoCoHook', scenes=str(new.parent / 'root/scenes'))
    ]
    names = [stage.name for stage in stages_of(cfg)]
    assert names == ['backbone', 'teacher']


def test_teachers_must_not_see_test_images(new, tools):
    images = new.parent / 'test/images'
    shutil.copy(new.parent / 'all/images/7.png', images / '1.png')
    with pytest.raises(ValueError, match='1 of the 2 validation') as error:
        prepare(read_detector(new))
    message = str(error.value)
    assert message.startswith(f'the teacher that {new} asks for would be made')
    assert f'test image {images}/1.png is 7.png there' in message
    assert not (new.parent / 'root').exists()
    assert tools.trained == []


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'fold': 2}, 'stages.teacher has no fold; it takes config'),
        ({'unlabeled': None}, 'stages.teacher needs unlabeled'),
        ({'unlabeled': 'nowhere.json'}, 'no unlabeled images at nowhere.json'),
        ({'folds': 1}, 'folds must be at least 2, got 1'),
        ({'flips': ['up']}, 'flips must be some of none'),
        ({'config': 'nowhere.py'}, r'no config nowhere\.py'),
    ],
)
def test_wrong_options_are_told_first(new, options, named):
    cfg = read_detector(
        new, **{f'stages.teacher.{k}': v for k, v in options.items()}
    )
    with pytest.raises((ValueError, FileNotFoundError), match=named) as error:
        stages_of(cfg)
    assert '\n' not in str(error.value)


def test_scenes_that_no_stage_makes_must_be_there(new):
    cfg = read_detector(new)
    cfg.custom_hooks = [dict(type='DDPMMoCoHook', scenes='theirs')]
    with pytest.raises(FileNotFoundError, match=r'theirs, .*pseudo_label\.py'):
        stages_of(cfg)
    Path(new.parent / 'theirs').mkdir()
    cfg.custom_hooks[0].scenes = str(new.parent / 'theirs')
    assert stages_of(cfg) == []


def test_teachers_learn_no_labels_that_the_detector_does_not_have(new):
    """As where a command line gives the detector a shorter list."""
    few = new.parent / 'labeled/few.json'
    shutil.copy(new.parent / 'labeled/train.json', few)
    given = {'train_dataloader.dataset.ann_file': few.name}
    with pytest.raises(
        ValueError, match=r'teachers would learn from .*train\.json'
    ):
        stages_of(read_detector(new, **given))
    # Said on purpose, of both.
    stages_of(read_detector(new, **given, **{'stages.teacher.options': given}))


def test_a_detector_of_masks_is_refused_before_its_teachers(new):
    """Scenes hold boxes; what masks would be in them nobody tells."""
    edit(new, 'with_bbox=True', 'with_bbox=True, with_mask=True')
    for prob in (1.0, None):
        cfg = read_detector(new)
        cfg.custom_hooks[0].scene_prob = prob
        with pytest.raises(
            ValueError, match=r'trains on masks .* scenes hold boxes alone'
        ):
            stages_of(cfg)
    cfg.custom_hooks[0].scene_prob = 0
    stages_of(cfg)


def test_teachers_load_images_as_the_validation_does(new):
    loader = read_detector(new).test_dataloader
    with pytest.raises(
        ValueError, match='neither test_dataloader nor val_dataloader'
    ):
        stages_of(changed(new, test_dataloader=None))
    (stage,) = stages_of(
        changed(new, test_dataloader=None, val_dataloader=loader)
    )
    assert not stage.fresh()


def changed(file, **settings):
    """A detector whose file says something else."""
    cfg = Config.fromfile(file)
    for key, value in settings.items():
        cfg[key] = value
    other = file.with_name('changed.py')
    other.write_text(cfg.pretty_text)
    return read_detector(other)
