from pathlib import Path

import pytest

from helpers.tiny_banks import (
    OPTIONS,
    files_of,
)
from mmdet_ddpm_moco.bank import writer
from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.synthesis.run import synthesize_bank

pytestmark = pytest.mark.usefixtures('small_blocks')


def make(generator, images, out, num=6, **options):
    return synthesize_bank(
        generator, *images, out, num=num, **{**OPTIONS, **options}
    )


class Killed(BaseException):
    pass


@pytest.mark.slow
@pytest.mark.parametrize('block', [0, 1])
@pytest.mark.parametrize('after', [False, True])
def test_killed_between_blocks_and_resumed(
    tmp_path, generator, images, monkeypatch, block, after
):
    make(generator, images, tmp_path / 'expected', num=10)
    write_block = BankWriter.write_block
    painted = []

    def killed(self, number, records, pixels):
        painted.append(number)
        if number == block and not after:
            raise Killed
        write_block(self, number, records, pixels)
        if number == block:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(BankWriter, 'write_block', killed)
        with pytest.raises(Killed):
            make(generator, images, tmp_path / 'bank', num=10)
    assert not (tmp_path / 'bank' / 'manifest.json').exists()
    resumed = []

    def watched(self, number, records, pixels):
        resumed.append(number)
        write_block(self, number, records, pixels)

    monkeypatch.setattr(BankWriter, 'write_block', watched)
    make(generator, images, tmp_path / 'bank', num=10)
    # Finished blocks are not sampled again.
    assert resumed[0] == block + after
    assert files_of(tmp_path / 'bank') == files_of(tmp_path / 'expected')


def killed_while_writing(monkeypatch, number):
    """The process is killed within its write with this number."""
    count = 0
    atomic, write_bytes = writer.atomic_write_bytes, Path.write_bytes

    def due():
        nonlocal count
        count += 1
        return count == number

    def killed_atomic(path, data):
        if due():
            raise Killed
        atomic(path, data)

    def killed_plain(self, data):
        if due():
            write_bytes(self, data[: len(data) // 2])
            raise Killed
        return write_bytes(self, data)

    monkeypatch.setattr(writer, 'atomic_write_bytes', killed_atomic)
    monkeypatch.setattr(Path, 'write_bytes', killed_plain)


@pytest.mark.slow
def test_killed_within_any_write_and_resumed(
    tmp_path, generator, images, monkeypatch, no_unet
):
    make(generator, images, tmp_path / 'expected', num=5)
    expected = files_of(tmp_path / 'expected')
    failed = {}
    for number in range(1, 100):
        out = tmp_path / f'bank{number}'
        try:
            with monkeypatch.context() as patch:
                killed_while_writing(patch, number)
                make(generator, images, out, num=5)
            break
        except Killed:
            pass
        try:
            make(generator, images, out, num=5)
        except ValueError as error:
            failed[number] = str(error)
            continue
        assert files_of(out) == expected, number
    assert number > 12
    assert failed == {}


def test_killed_while_it_was_closed_and_resumed_with_more_windows(
    tmp_path, generator, images, monkeypatch, no_unet
):
    """Windows beyond the smaller bank belong to the larger one."""
    make(generator, images, tmp_path / 'expected', num=8)
    atomic = writer.atomic_write_bytes

    def killed(path, data):
        if path.name == 'manifest.json':
            raise Killed
        atomic(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(writer, 'atomic_write_bytes', killed)
        with pytest.raises(Killed):
            make(generator, images, tmp_path / 'bank', num=5)
    make(generator, images, tmp_path / 'bank', num=8)
    assert files_of(tmp_path / 'bank') == files_of(tmp_path / 'expected')


def test_other_settings_do_not_resume_a_bank(
    tmp_path, generator, images, monkeypatch
):
    def killed(self, *args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(BankWriter, 'write_block', killed)
        with pytest.raises(Killed):
            make(generator, images, tmp_path / 'bank')
    with pytest.raises(ValueError, match='other settings'):
        make(generator, images, tmp_path / 'bank', seed=3)
    changed = images[0].read_text().replace('"area"', '"size"')
    images[0].write_text(changed)
    with pytest.raises(ValueError, match='other settings'):
        make(generator, images, tmp_path / 'bank')


def test_a_finished_bank_is_unchanged(tmp_path, generator, images):
    make(generator, images, tmp_path / 'bank')
    before = files_of(tmp_path / 'bank')
    with pytest.raises(ValueError, match='finished'):
        make(generator, images, tmp_path / 'bank')
    assert files_of(tmp_path / 'bank') == before


def test_a_longer_bank_begins_with_the_shorter_one(
    tmp_path, generator, images
):
    make(generator, images, tmp_path / 'short', num=3)
    make(generator, images, tmp_path / 'long', num=7)
    short = files_of(tmp_path / 'short' / 'images')
    long = files_of(tmp_path / 'long' / 'images')
    assert len(short) == 3
    assert short.items() <= long.items()
