"""A bank writer resumes after a kill."""

import errno
import json
import shutil

import pytest

from helpers.made_records import SETTINGS, blocks, started_and_written, write
from helpers.tiny_banks import files_of
from mmdet_ddpm_moco.bank import writer
from mmdet_ddpm_moco.bank.lock import bank_lock


def test_whole_blocks_are_resumed(tmp_path):
    writer = started_and_written(tmp_path)
    before = files_of(tmp_path)
    assert writer.verify_blocks(4) == {0: 3, 1: 3}
    assert files_of(tmp_path) == before


def lose_png(root):
    (root / 'images' / '000002.png').unlink()


def cut_png(root):
    path = root / 'images' / '000002.png'
    path.write_bytes(path.read_bytes()[:-1])


def empty_png(root):
    (root / 'images' / '000002.png').write_bytes(b'')


def turn_a_bit_of_png(root):
    path = root / 'images' / '000002.png'
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_record(root):
    path = root / 'records' / '000000.json'
    path.write_bytes(path.read_bytes()[:-30])


def empty_record(root):
    (root / 'records' / '000000.json').write_bytes(b'')


def change_record(**changes):
    def change(root):
        path = root / 'records' / '000000.json'
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, **changes}))

    return change


@pytest.mark.parametrize(
    'damage',
    [
        lose_png,
        cut_png,
        empty_png,
        turn_a_bit_of_png,
        cut_record,
        empty_record,
        change_record(hashes={}),
        change_record(windows=[]),
        change_record(windows=blocks()[1]),
        change_record(windows=None),
    ],
)
def test_a_damaged_block_is_discarded(tmp_path, damage):
    writer = started_and_written(tmp_path)
    damage(tmp_path)
    assert writer.verify_blocks(4) == {1: 3}
    assert writer.read_block(0) is None
    assert writer.read_block(1) == blocks()[1]


def test_blocks_of_another_size_are_discarded(tmp_path):
    """A version with larger blocks numbers other windows so."""
    writer = started_and_written(tmp_path)
    assert writer.verify_blocks(8) == {}


def test_a_resumed_bank_is_no_bank_yet(tmp_path):
    writer = started_and_written(tmp_path)
    (tmp_path / 'manifest.json').write_text('{}')
    writer.verify_blocks(4)
    assert not (tmp_path / 'manifest.json').exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize('left', ['everything', 'no records', 'settings'])
def test_killed_during_the_clean_up(tmp_path, left):
    """All blocks are there: nothing is to be painted again."""
    write(tmp_path / 'expected')
    root = tmp_path / 'bank'

    def killed():
        raise Killed

    with bank_lock(root, SETTINGS):
        writer = started_and_written(root)
        with pytest.raises(Killed):
            writer.close(5, killed)
    if left != 'everything':
        shutil.rmtree(root / 'records')
    if left == 'settings':
        (root / 'images' / '000007.png').unlink()
    with bank_lock(root, SETTINGS):
        assert writer.is_derived(5)
        assert not writer.is_derived(6)
        writer.close(5)
    assert files_of(root) == files_of(tmp_path / 'expected')


def test_a_bank_that_lacks_a_window_is_derived_again(tmp_path):
    with bank_lock(tmp_path, SETTINGS):
        writer = started_and_written(tmp_path)
        with pytest.raises(ZeroDivisionError):
            writer.close(5, lambda: 1 / 0)
        assert writer.is_derived(5)
        (tmp_path / 'images' / '000002.png').unlink()
        assert not writer.is_derived(5)


def test_temporary_files_of_killed_writes_are_removed(tmp_path):
    write(tmp_path / 'expected')
    root = tmp_path / 'bank'
    with bank_lock(root, SETTINGS):
        writer = started_and_written(root)
        for folder in ('', 'images', 'records'):
            (root / folder / '.x.png.0123abcd.tmp').write_bytes(b'half')
        writer.close(5)
    assert files_of(root) == files_of(tmp_path / 'expected')


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, 'No space left on device', str(path))

    monkeypatch.setattr(writer, 'atomic_write_bytes', full)
    with pytest.raises(OSError, match='No space left') as error:
        started_and_written(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert '\n' not in str(error.value)
