import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from helpers import tiny_runs  # noqa: F401  (registers what the configs name)
from helpers.tiny_detection import write_images
from helpers.tiny_stages import edit, load, name_runs_apart, write_configs
from mmdet_ddpm_moco.engine.training import (
    can_resume,
    is_finished,
    last_checkpoint,
    set_aside,
    stage_state,
    train,
    training_fingerprint,
)
from mmdet_ddpm_moco.utils.paths import shipped


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    name_runs_apart(monkeypatch)


@pytest.fixture
def config(tmp_path):
    data = write_images(tmp_path / 'data')
    write_configs(tmp_path, data, tmp_path / 'root')
    return tmp_path / 'moco.py'


class Killed(BaseException):
    pass


@HOOKS.register_module()
class KillHook(Hook):
    """Kills the run before an iteration, or changes its files."""

    priority = 'LOWEST'
    at = None
    do = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == KillHook.at:
            raise Killed
        if KillHook.do is not None:
            KillHook.do()


@pytest.fixture
def kill(monkeypatch):
    """Sets where the next run ends; None lets it finish."""

    def at(iteration, do=None):
        monkeypatch.setattr(KillHook, 'at', iteration)
        monkeypatch.setattr(KillHook, 'do', do and staticmethod(do))

    return at


def with_kill(config):
    edit(config, 'custom_hooks = [', "custom_hooks = [dict(type='KillHook'), ")
    return config


def test_remote_annotations_do_not_keep_a_detector_from_training(config):
    """The file backend finds them, as in check_data."""
    cfg = load(
        config, **{'train_dataloader.dataset.ann_file': 's3://b/a.json'}
    )
    assert len(training_fingerprint(cfg)) == 16


def test_a_finished_run_is_recorded(config):
    cfg = load(config)
    assert stage_state(cfg.work_dir) == dict(fingerprint=None, finished=False)
    train(cfg)
    expected = dict(fingerprint=training_fingerprint(cfg), finished=True)
    assert stage_state(cfg.work_dir) == expected
    assert is_finished(cfg)
    assert not is_finished(load(config, **{'randomness.seed': 1}))
    assert (Path(cfg.work_dir) / 'backbone.pth').is_file()
    # Another process, reading the file again, agrees.
    assert training_fingerprint(load(config)) == expected['fingerprint']


def test_a_killed_run_can_be_resumed(config, kill):
    cfg = load(with_kill(config))
    assert not can_resume(cfg)
    kill(3)
    with pytest.raises(Killed):
        train(cfg)
    state = stage_state(cfg.work_dir)
    assert state == dict(fingerprint=training_fingerprint(cfg), finished=False)
    assert not is_finished(cfg)
    assert can_resume(load(config))
    assert not can_resume(load(config, **{'randomness.seed': 1}))


def test_a_killed_run_of_other_images_is_not_resumed(config, kill):
    cfg = load(with_kill(config))
    kill(3)
    with pytest.raises(Killed):
        train(cfg, images='before')
    assert can_resume(load(config), 'before')
    assert not can_resume(load(config), 'after')
    # They are no longer there.
    assert can_resume(load(config), None)


@pytest.mark.parametrize('gone', [False, True])
def test_a_resumed_run_is_that_of_its_config(
    config, kill, tmp_path, monkeypatch, gone
):
    """Also where that names weights to start from, needed no longer."""
    start = tmp_path / 'start.pth'
    torch.save(dict(state_dict={}), start)
    named = dict(load_from=str(start))
    with_kill(config)
    kill(3)
    with pytest.raises(Killed):
        train(load(config, **named))
    kill(None)
    if gone:
        start.unlink()
    work_dir = load(config).work_dir
    command = ['train.py', str(config), '--resume', '--work-dir', work_dir]
    command += ['--cfg-options', f'load_from={start}']
    monkeypatch.setattr(sys, 'argv', command)
    runpy.run_path(str(shipped('tools') / 'train.py'), run_name='__main__')
    assert is_finished(load(config, **named))


def test_a_run_that_goes_on_from_a_named_checkpoint(config, kill, monkeypatch):
    """It is the run of its config, and a stage that needs no other."""
    with_kill(config)
    kill(3)
    with pytest.raises(Killed):
        train(load(config))
    kill(None)
    work_dir = load(config).work_dir
    newest = (Path(work_dir) / 'last_checkpoint').read_text().strip()
    command = ['train.py', str(config), '--work-dir', work_dir]
    monkeypatch.setattr(sys, 'argv', [*command, '--resume', newest])
    runpy.run_path(str(shipped('tools') / 'train.py'), run_name='__main__')
    assert is_finished(load(config))


def test_killed_before_the_first_checkpoint(config, kill):
    cfg = load(with_kill(config))
    kill(1)
    with pytest.raises(Killed):
        train(cfg)
    assert not can_resume(load(config))


def test_a_checkpoint_of_an_older_run_is_not_resumed(config, kill):
    """The same folder, another config, killed before its first checkpoint.

    As after the command that --no-prepare prints for a stale stage.
    """
    with_kill(config)
    kill(None)
    train(load(config))
    kill(1)
    newer = load(config, **{'randomness.seed': 1})
    with pytest.raises(Killed):
        train(newer)
    assert not can_resume(load(config, **{'randomness.seed': 1}))


def test_annotations_that_change_during_a_run_make_it_stale(
    config, kill, tmp_path
):
    """The weights come from the files at the start of the training."""
    json_file = tmp_path / 'data' / 'train.json'
    cfg = load(with_kill(config))
    before = training_fingerprint(cfg)
    kill(None, lambda: json_file.write_text(json_file.read_text() + ' '))
    train(cfg)
    assert stage_state(cfg.work_dir)['fingerprint'] == before
    assert training_fingerprint(load(config)) != before


def test_set_aside_keeps_the_files(tmp_path):
    folder = tmp_path / 'ddpm'
    assert set_aside(folder) is None
    for number in (1, 2, 3):
        folder.mkdir()
        (folder / 'weights').write_text(str(number))
        aside = set_aside(folder)
        assert aside == tmp_path / f'ddpm.old-{number}'
        assert not folder.exists()
    kept = [
        (path.name, (path / 'weights').read_text())
        for path in sorted(tmp_path.iterdir())
    ]
    assert kept == [(f'ddpm.old-{n}', str(n)) for n in (1, 2, 3)]


def test_the_state_is_plain_json(config):
    cfg = load(config)
    train(cfg)
    state = json.loads((Path(cfg.work_dir) / 'stage.json').read_text())
    assert set(state) == {'fingerprint', 'finished'}


def test_a_start_that_fails_at_once_leaves_the_earlier_run(config, tmp_path):
    """It can be resumed, and is known to be finished."""
    work = tmp_path / 'work'
    train(load(config, work))
    state, last = stage_state(work), (work / 'last_checkpoint').read_text()
    failing = load(config, work)
    failing.custom_hooks = [dict(type='FailingHook')]
    with pytest.raises(ValueError, match='wrong from the start'):
        train(failing)
    assert stage_state(work) == state
    assert (work / 'last_checkpoint').read_text() == last


@HOOKS.register_module()
class FailingHook(Hook):
    """What is wrong is known before the first step."""

    def before_train(self, runner):
        msg = 'wrong from the start'
        raise ValueError(msg)


def test_a_run_that_is_killed_while_it_saves_can_be_resumed(
    config, monkeypatch
):
    """MMEngine deletes the last checkpoint before it writes the next."""
    config.write_text(
        config.read_text() + '\ndefault_hooks = dict(checkpoint=dict('
        "type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=1))"
    )
    saved = []

    def save(*args, **kwargs):
        if len(saved) == 1:
            raise Killed
        saved.append(1)
        return write(*args, **kwargs)

    write = torch.save
    monkeypatch.setattr(torch, 'save', save)
    with pytest.raises(Killed):
        train(load(config))
    monkeypatch.setattr(torch, 'save', write)
    assert can_resume(load(config))
    train(load(config), resume=True)
    assert is_finished(load(config))


def test_the_last_checkpoint_of_a_folder(tmp_path):
    folder = tmp_path / 'run'
    assert last_checkpoint(folder) is None
    folder.mkdir()
    assert last_checkpoint(folder) is None
    file = folder / 'iter_4.pth'
    (folder / 'last_checkpoint').write_text(f'{file}\n')
    assert last_checkpoint(folder) is None  # it was deleted
    file.touch()
    assert last_checkpoint(folder) == file
    moved = folder.rename(tmp_path / 'moved')
    assert last_checkpoint(moved) == moved / 'iter_4.pth'
    # MMEngine reads this file itself.
    named = (moved / 'last_checkpoint').read_text()
    assert named == str(moved / 'iter_4.pth')


def test_workers_do_not_draw_the_same_in_each_epoch(config):
    cfg = load(config)
    cfg.train_dataloader.update(num_workers=1, persistent_workers=False)
    before = training_fingerprint(cfg)
    train(cfg)
    assert cfg.train_dataloader.persistent_workers
    assert stage_state(cfg.work_dir)['fingerprint'] == before
