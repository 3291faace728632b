import copy
import shlex
import shutil
import time
from pathlib import Path
from threading import Thread

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from helpers import tiny_runs  # noqa: F401  (registers what the configs name)
from helpers.tiny_detection import write_images
from helpers.tiny_stages import (
    FRESH,
    edit,
    load,
    made_in,
    make_stages_quick,
    reads,
    refusal,
    state,
    write_configs,
)
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.engine import stage
from mmdet_ddpm_moco.engine.run_record import read_run_record
from mmdet_ddpm_moco.engine.stage import LOCK
from mmdet_ddpm_moco.engine.stage_config import stage_config
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import prepare
from mmdet_ddpm_moco.engine.training import train
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.settings import training_images
from mmdet_ddpm_moco.utils.fileio import lock_file


class Killed(BaseException):
    pass


@HOOKS.register_module()
class StopHook(Hook):
    """Kills a stage before its second iteration, if it is armed."""

    priority = 'LOWEST'
    armed = False
    seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if StopHook.armed and runner.iter == 1:
            raise Killed
        StopHook.seen.append(runner.iter)


@pytest.fixture(autouse=True)
def log(monkeypatch):
    monkeypatch.setattr(StopHook, 'armed', False)
    monkeypatch.setattr(StopHook, 'seen', [])
    return make_stages_quick(monkeypatch)


@pytest.fixture
def detector(tmp_path):
    data = write_images(tmp_path / 'data')
    return write_configs(tmp_path, data, tmp_path / 'root')


def test_all_stages_are_made_in_order(detector, tmp_path, log):
    stages = stages_of(load(detector))
    root = tmp_path / 'root'
    assert [(s.name, s.output) for s in stages] == [
        ('generator', root / 'ddpm' / 'generator'),
        ('bank', root / 'bank'),
        ('backbone', root / 'moco' / 'backbone.pth'),
    ]
    assert not any(stage.fresh() for stage in stages)
    cfg = load(detector)
    prepare(cfg)
    assert state(detector) == FRESH
    record = read_run_record(cfg.work_dir)
    assert [(row['name'], row['state']) for row in record['stages']] == [
        ('generator', 'made'),
        ('bank', 'made'),
        ('backbone', 'made'),
    ]
    heads = [line.split(':')[0] for line in log if line.startswith('stage')]
    assert heads == [
        'stage 1 of 3, generator',
        'stage 2 of 3, bank',
        'stage 3 of 3, backbone',
    ]
    assert load_generator(root / 'ddpm' / 'generator').window == 16
    manifest = DefectBank(root / 'bank').manifest
    assert manifest['kept'] == manifest['asked'] == 4
    assert manifest['mix'] == dict(add=1.0)
    assert manifest['sampler']['steps'] == 1
    assert made_in(root) == {'ddpm', 'bank', 'moco'}


def test_two_runs_do_not_make_the_same_stages_at_once(detector, tmp_path, log):
    root = tmp_path / 'root'
    root.mkdir()
    other = (root / LOCK).open('w')
    assert lock_file(other, wait=False)

    def end_the_other():
        while not log:
            time.sleep(0.01)
        made_meanwhile.extend(made_in(root))
        other.close()

    made_meanwhile = []
    thread = Thread(target=end_the_other)
    thread.start()
    prepare(load(detector))
    thread.join()
    assert log[0] == f'waiting for another run that makes stages in {root}'
    assert made_meanwhile == []
    assert state(detector) == FRESH


def test_file_systems_without_locks(detector, monkeypatch, log):
    def no_locks(file, wait):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(stage, 'lock_file', no_locks)
    prepare(load(detector))
    assert 'cannot be locked (Function not implemented)' in log[0]
    assert state(detector) == FRESH


def test_a_half_finished_stage_is_resumed(detector, tmp_path, log):
    for name in ('ddpm.py', 'moco.py'):
        edit(
            tmp_path / name,
            'custom_hooks = [',
            "custom_hooks = [dict(type='StopHook'), ",
        )
    StopHook.armed = True
    with pytest.raises(Killed):
        prepare(load(detector))
    StopHook.armed = False
    assert state(detector) == dict.fromkeys(FRESH, False)
    log.clear()
    prepare(load(detector))
    assert state(detector) == FRESH
    assert any('resuming the unfinished run' in line for line in log)
    root = tmp_path / 'root'
    assert not list(root.glob('*.old-*'))
    # The generator was trained in two goes of one iteration each, and the
    # backbone in one of four.
    assert StopHook.seen == [0, 1, 0, 1, 2, 3]
    assert (root / 'ddpm' / 'last_checkpoint').read_text().endswith('_2.pth')


def test_a_stage_that_exports_nothing_is_reported(detector, tmp_path):
    edit(
        tmp_path / 'ddpm.py',
        'mmdet_ddpm_moco.ExportGeneratorHook',
        'EmptyCacheHook',
    )
    with pytest.raises(ValueError, match='does its config export') as error:
        prepare(load(detector))
    assert 'generator' in str(error.value)


def test_no_prepare_lists_the_commands(detector, tmp_path):
    head, commands = refusal(load(detector))
    root = tmp_path / 'root'
    assert str(root / 'ddpm' / 'generator') in head
    assert commands == [
        ['python', 'tools/train.py', str(tmp_path / 'ddpm.py')]
        + ['--work-dir', str(root / 'ddpm')],
        ['python', 'tools/synthesize.py', str(tmp_path / 'ddpm.py')]
        + ['--generator', str(root / 'ddpm' / 'generator')]
        + ['--out', str(root / 'bank'), '--num', '4']
        + ['--num-inference-steps', '1', '--max-window', '32']
        + ['--mix', 'add=1.0'],
        ['python', 'tools/train.py', str(tmp_path / 'moco.py')]
        + ['--work-dir', str(root / 'moco')],
    ]
    assert not root.exists()


def test_folders_with_spaces_are_words_of_a_command(tmp_path):
    root = tmp_path / 'line 3'
    root.mkdir()
    data = write_images(root / 'data')
    detector = write_configs(root, data, root / 'root')
    _, commands = refusal(load(detector))
    for words in commands:
        assert Path(words[2]).is_relative_to(root)
        folder = '--out' if '--out' in words else '--work-dir'
        assert Path(words[words.index(folder) + 1]).parent == root / 'root'


def test_the_command_of_a_bank_names_the_images_of_its_generator(
    detector, tmp_path
):
    cfg = load(detector)
    before = training_images(load(tmp_path / 'ddpm.py'))
    copied = tmp_path / 'other.json'
    shutil.copy(before['ann_file'], copied)
    cfg.stages.generator.options = {
        'train_dataloader.dataset.ann_file': str(copied)
    }
    (command,) = (s.command for s in stages_of(cfg) if s.name == 'bank')
    _, tool, config, *_ = shlex.split(command)
    assert tool == 'tools/synthesize.py'
    assert not Path(config).exists()
    prepare(cfg)
    named = training_images(Config.fromfile(config))
    assert named == dict(before, ann_file=str(copied))


def test_the_commands_do_what_the_stages_do(detector, tmp_path):
    """tools/train.py with these arguments makes a stage fresh."""
    _, commands = refusal(load(detector))
    for _, tool, config, flag, work_dir, *_ in commands:
        if tool.endswith('train.py'):
            assert flag == '--work-dir'
            train(load(Path(config), work_dir))
    fresh = state(detector)
    assert fresh == dict(generator=True, bank=False, backbone=True)


@pytest.mark.parametrize(
    'options',
    [
        {'train_cfg.max_epochs': 1},
        # As --cfg-options stages.backbone.options.train_cfg.max_epochs=1.
        {'train_cfg': {'max_epochs': 1}},
    ],
)
def test_the_commands_have_the_options_of_a_stage(detector, options):
    cfg = load(detector)
    cfg.stages.backbone.options = options
    _, commands = refusal(cfg)
    config, work_dir = Path(commands[-1][2]), commands[-1][4]
    given = commands[-1][5:]
    assert given[:1] == ['--cfg-options']
    options = dict(text.split('=', 1) for text in given[1:])
    train(load(config, work_dir, **{k: int(v) for k, v in options.items()}))
    assert {s.name: s.fresh() for s in stages_of(cfg)}['backbone']


def test_load_from_in_a_stage_is_not_what_it_resumes(detector, tmp_path):
    """A half-finished run resumes from its own checkpoint."""
    prepare(reads(detector, checkpoint=True))
    other = tmp_path / 'other.pth'
    shutil.copy(tmp_path / 'root' / 'moco' / 'epoch_1.pth', other)
    shutil.rmtree(tmp_path / 'root')
    edit(
        tmp_path / 'moco.py',
        'custom_hooks = [',
        f'load_from = {str(other)!r}\n'
        "custom_hooks = [dict(type='StopAtEndHook'), ",
    )
    with pytest.raises(Killed):
        prepare(reads(detector, checkpoint=True))
    StopAtEndHook.seen = []
    StopAtEndHook.armed = False
    try:
        prepare(reads(detector, checkpoint=True))
    finally:
        StopAtEndHook.armed = True
    # Killed in the second epoch of two iterations each.
    assert StopAtEndHook.seen[0] == 2
    assert StopAtEndHook.loaded == str(
        tmp_path / 'root' / 'moco' / 'epoch_1.pth'
    )


@HOOKS.register_module()
class StopAtEndHook(Hook):
    """Kills a run in its last iteration; keeps what it was resumed from."""

    priority = 'LOWEST'
    armed = True
    seen = []
    loaded = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        StopAtEndHook.seen.append(runner.iter)
        StopAtEndHook.loaded = (
            runner._load_from
            or (Path(runner.work_dir) / 'last_checkpoint').read_text()
        )
        if StopAtEndHook.armed and runner.iter == runner.max_iters - 1:
            raise Killed


def test_a_config_without_stages_has_none(detector):
    cfg = load(detector)
    cfg.pop('stages')
    cfg.custom_hooks = []
    assert stages_of(cfg) == []


def test_stages_that_no_hook_reads_are_named(detector, tmp_path, log):
    cfg = load(detector)
    cfg.custom_hooks = []
    prepare(cfg)
    assert not (tmp_path / 'root').exists()
    (line,) = log
    assert line.startswith('warning: no DDPMMoCoHook reads the bank, check')


@pytest.mark.parametrize('work_dir', ['bank', 'scenes/mine', 'moco/../ddpm'])
def test_a_detector_does_not_work_where_its_stages_do(
    detector, tmp_path, work_dir
):
    cfg = load(detector)
    cfg.work_dir = str(tmp_path / 'root' / work_dir)
    with pytest.raises(ValueError, match='give the detector another'):
        stages_of(cfg)
    cfg.work_dir = str(tmp_path / 'root')
    assert stages_of(cfg)


def test_options_that_replace_a_part_do_so_each_time(detector):
    new = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.25))
    cfg = load(detector)
    cfg.stages.backbone.options = dict(optim_wrapper=dict(new, _delete_=True))
    before = copy.deepcopy(cfg.stages.to_dict())
    assert state_of_backbone(cfg) == state_of_backbone(cfg)
    assert cfg.stages.to_dict() == before


def state_of_backbone(cfg):
    """Of the config that the stage trains."""
    found = stage_config(cfg, cfg.stages.backbone)
    assert found.optim_wrapper == dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=0.25)
    )
    return found.pretty_text
