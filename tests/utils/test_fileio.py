import fcntl
import os
from pathlib import Path

import pytest
import torch

from mmdet_ddpm_moco.utils.fileio import (
    atomic_torch_save,
    atomic_write_bytes,
    lock_file,
    read_json,
    torch_bytes,
    write_json,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'file'
    for data in (b'first', b'', b'third'):
        atomic_write_bytes(path, data)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('broken', ['fsync', 'replace'])
def test_a_failure_leaves_the_old_file_alone(tmp_path, monkeypatch, broken):
    path = tmp_path / 'file'
    path.write_bytes(b'old')

    def fail(*args):
        raise OSError('disk full')

    monkeypatch.setattr(
        *((os, 'fsync') if broken == 'fsync' else (Path, 'replace')), fail
    )
    with pytest.raises(OSError, match='disk full'):
        atomic_write_bytes(path, b'new')
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_appears_with_all_its_bytes(tmp_path, monkeypatch):
    """At the moment the name is given, the data are already on disk."""
    path = tmp_path / 'file'
    seen = []
    replace = Path.replace

    def watched(self, target):
        seen.append((self.read_bytes(), Path(target).exists()))
        return replace(self, target)

    monkeypatch.setattr(Path, 'replace', watched)
    atomic_write_bytes(path, b'data')
    assert seen == [(b'data', False)]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write_bytes(tmp_path / 'file', b'')
    finally:
        os.umask(before)
    assert (tmp_path / 'file').stat().st_mode & 0o777 == 0o640


def test_torch_files_load_and_do_not_depend_on_their_name(tmp_path):
    content = dict(a=torch.arange(3), b='text')
    for name in ('one.pth', 'another.pth'):
        atomic_torch_save(content, tmp_path / name)
        loaded = torch.load(tmp_path / name, weights_only=True)
        assert torch.equal(loaded['a'], content['a'])
        assert (tmp_path / name).read_bytes() == torch_bytes(content)


def test_json_comes_back_and_ends_with_a_newline(tmp_path):
    path = tmp_path / 'new' / 'state.json'
    assert read_json(path) is None
    assert read_json(path, {}) == {}
    write_json(path, dict(name='Öse', done=[1, 2.5, None]))
    assert path.read_bytes().endswith(b'}\n')
    assert read_json(path, {}) == dict(name='Öse', done=[1, 2.5, None])
    path.write_text('{"na')
    with pytest.raises(ValueError):
        read_json(path, {})


def test_a_lock_is_held_until_its_file_is_closed(tmp_path):
    first, second = ((tmp_path / 'lock').open('w') for _ in range(2))
    with first, second:
        assert lock_file(first, wait=False)
        assert not lock_file(second, wait=False)
        first.close()
        assert lock_file(second, wait=True)


def test_other_errors_of_a_lock_are_raised(tmp_path, monkeypatch):
    def no_locks(file, how):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(fcntl, 'flock', no_locks)
    with (
        (tmp_path / 'lock').open('w') as file,
        pytest.raises(OSError, match='not implemented'),
    ):
        lock_file(file, wait=False)
