"""The lock of a bank: who may write it, and where."""

import fcntl
import json
import os
import signal
import time
from multiprocessing import get_context

import pytest

from helpers.made_records import SETTINGS, started_and_written, write
from helpers.tiny_banks import files_of
from mmdet_ddpm_moco.bank import lock
from mmdet_ddpm_moco.bank.lock import bank_lock, is_started, locked
from mmdet_ddpm_moco.bank.writer import BankWriter

FORK = get_context('fork')


def refusal(root, settings=SETTINGS):
    """The message of a refusal that changes no file."""
    before = files_of(root)
    with pytest.raises(ValueError) as error, bank_lock(root, settings):
        pass
    assert files_of(root) == before
    message = str(error.value)
    assert '\n' not in message
    assert str(root) in message
    return message


def test_a_finished_bank_is_not_written_again(tmp_path):
    write(tmp_path / 'bank')
    assert 'finished' in refusal(tmp_path / 'bank')


@pytest.mark.parametrize(
    'changes',
    [
        dict(seed=1),
        dict(generator='abd'),
        dict(sampler=dict(name='dpmsolver++', steps=3, strength=0.6)),
        dict(classes=['Öse', 'dent']),
        dict(mix=dict(add=0.5, replaces=0.4, null=0.1)),
    ],
)
def test_a_bank_of_other_settings_is_not_resumed(tmp_path, changes):
    with bank_lock(tmp_path / 'bank', SETTINGS):
        pass
    other = {**SETTINGS, **changes}
    assert 'other settings' in refusal(tmp_path / 'bank', other)
    assert is_started(tmp_path / 'bank', SETTINGS)
    assert not is_started(tmp_path / 'bank', other)


def test_a_bank_started_by_a_newer_version(tmp_path):
    with bank_lock(tmp_path, SETTINGS):
        pass
    path = tmp_path / 'settings.json'
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, 'format_version': 2, 'new': 1}))
    assert 'upgrade mmdet-ddpm-moco' in refusal(tmp_path)
    assert not is_started(tmp_path, SETTINGS)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / 'bank').mkdir()
    (tmp_path / 'bank' / 'thesis.tex').write_text('years of work')
    assert 'not empty' in refusal(tmp_path / 'bank')


@pytest.mark.parametrize('text', ['', '{"format_version": 1, "gen'])
def test_killed_while_it_wrote_its_settings(tmp_path, text):
    (tmp_path / 'settings.json').write_text(text)
    assert not is_started(tmp_path, SETTINGS)
    with bank_lock(tmp_path, SETTINGS):
        pass
    assert is_started(tmp_path, SETTINGS)


def test_windows_of_unknown_settings_are_refused(tmp_path):
    with bank_lock(tmp_path, SETTINGS):
        started_and_written(tmp_path)
    (tmp_path / 'settings.json').write_text('{"format_v')
    assert 'not empty' in refusal(tmp_path)


def test_a_second_writer_is_refused(tmp_path):
    with bank_lock(tmp_path, SETTINGS):
        message = refusal(tmp_path)
    assert 'another process' in message
    assert 'choose another folder' in message
    with bank_lock(tmp_path, SETTINGS):
        pass


def hold(root, ready):
    with bank_lock(root, SETTINGS):
        ready.set()
        time.sleep(60)


def test_the_lock_of_a_killed_writer_is_free(tmp_path):
    ready = FORK.Event()
    first = FORK.Process(target=hold, args=(tmp_path, ready))
    first.start()
    try:
        assert ready.wait(60)
        assert 'another process' in refusal(tmp_path)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.join()
    with bank_lock(tmp_path, SETTINGS):
        pass


def test_one_that_finishes_before_the_lock_is_taken(tmp_path, monkeypatch):
    """A second writer looks, the first one finishes, the second one locks."""
    take = lock._lock

    def finish_first(file, root):
        monkeypatch.setattr(lock, '_lock', take)
        with bank_lock(tmp_path, SETTINGS):
            started_and_written(tmp_path).close(5)
        take(file, root)

    with bank_lock(tmp_path, SETTINGS):
        pass
    monkeypatch.setattr(lock, '_lock', finish_first)
    with (
        pytest.raises(ValueError, match='finished'),
        bank_lock(tmp_path, SETTINGS),
    ):
        pass
    write(tmp_path / 'expected')
    expected = files_of(tmp_path / 'expected')
    found = files_of(tmp_path)
    assert {n: d for n, d in found.items() if 'expected' not in n} == expected


def test_a_file_system_without_locks_is_reported(tmp_path, monkeypatch):
    reported = []

    def no_locks(file, how):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(fcntl, 'flock', no_locks)
    monkeypatch.setattr(lock, 'print_log', reported.append)
    with locked(tmp_path):
        pass
    assert str(tmp_path) in reported[0]


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / 'file').write_text('')
    for root in (tmp_path / 'file', tmp_path / 'file' / 'bank'):
        assert str(root) in unwritable(root)


def test_a_folder_that_the_system_refuses():
    assert '/proc/bank' in unwritable('/proc/bank')


def unwritable(root):
    with pytest.raises(OSError) as error, bank_lock(root, SETTINGS):
        pass
    message = str(error.value)
    assert message.startswith('cannot write the bank')
    assert 'choose another folder' in message
    assert '\n' not in message
    return message


def test_a_finished_bank_holds_no_lock(tmp_path):
    with bank_lock(tmp_path, SETTINGS):
        assert BankWriter(tmp_path, SETTINGS).is_started
        started_and_written(tmp_path).close(5)
        assert not BankWriter(tmp_path, SETTINGS).is_started
    assert {p.name for p in tmp_path.iterdir()} == {
        'annotations.json',
        'hosts.npy',
        'index.npy',
        'manifest.json',
        'images',
        'patches.bin',
        'patches.npy',
    }
