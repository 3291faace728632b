"""A bank does not depend on who made it, nor on how often they were killed."""

import os
import random
import time
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest
import torch

from helpers.tiny_banks import OPTIONS, files_of, write_generator, write_images
from helpers.tiny_ranks import Ranks, needs_fork, signalled_at
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.synthesis import run
from mmdet_ddpm_moco.synthesis.gates import QualityGates
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.painter import WindowPainter
from mmdet_ddpm_moco.synthesis.run import synthesize_bank

pytestmark = [needs_fork, pytest.mark.slow]
NUM = 30


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
    root = tmp_path_factory.mktemp('inputs')
    return write_generator(root / 'generator'), *write_images(root / 'data')


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(run, 'BLOCK', 4)


@pytest.fixture(autouse=True)
def some_are_rejected(monkeypatch):
    """Every fifth window, so that there are further rounds."""
    monkeypatch.setattr(QualityGates, 'rejection', _every_fifth)


def _every_fifth(self, plan, before, after):
    return 'of five' if int(plan.alpha.sum()) % 5 == 0 else None


def job(inputs, out, num=NUM, **options):
    generator, *images = inputs

    def run():
        synthesize_bank(
            load_generator(generator),
            *images,
            out,
            num=num,
            **{**OPTIONS, **options},
        )

    return run


@pytest.fixture(scope='module')
def expected(inputs, tmp_path_factory):
    """The bank that one process makes with one thread."""
    folder = tmp_path_factory.mktemp('expected')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, 'BLOCK', 4)
        patch.setattr(QualityGates, 'rejection', _every_fifth)
        ranks = Ranks(job(inputs, folder / 'bank'), folder / 'run', 1)
        assert ranks.end() == [0], ranks.printed()
    files = files_of(folder / 'bank')
    # Annotations, index, hosts, patches and their places, manifest, images
    # seen, sample grid.
    assert len(files) == NUM + 8
    assert b'"of five"' in files['manifest.json']
    return files


@pytest.mark.parametrize(
    ('ranks', 'threads'), [(2, 1), (3, 1), (1, 3), (2, 2)]
)
def test_ranks_and_threads_make_the_same_bank(
    inputs, expected, tmp_path, ranks, threads
):
    made_by = Ranks(
        job(inputs, tmp_path / 'bank'), tmp_path / 'run', ranks, threads
    )
    assert made_by.end() == [0] * ranks, made_by.printed()
    assert files_of(tmp_path / 'bank') == expected
    first, *others = made_by.printed()
    assert f'{NUM}/{NUM}' in first
    assert others == [''] * (ranks - 1)


def records(bank):
    return sorted((bank / 'records').glob('[0-9]*.json'))


@pytest.mark.parametrize('seed', range(4))
def test_killed_at_any_moment(inputs, expected, tmp_path, seed):
    """Again and again, and resumed by other numbers of ranks."""
    rng = random.Random(seed)
    bank = tmp_path / 'bank'
    killed = 0
    for attempt in range(40):
        ranks = rng.choice((1, 2))
        victim = rng.randrange(ranks)
        started = Ranks(
            signalled_at(
                rng.randint(1, 25), job(inputs, bank), SIGKILL, victim
            ),
            tmp_path / f'run{attempt}',
            ranks,
            rng.choice((1, 2)),
        )
        codes = started.end()
        if set(codes) == {0}:
            break
        # The other rank notices for itself.
        assert codes[victim] == -SIGKILL, started.printed()
        killed += 1
    assert killed
    assert files_of(bank) == expected


@pytest.mark.parametrize('seed', range(2))
def test_all_ranks_killed_at_once(inputs, expected, tmp_path, seed):
    """By the clock, wherever they are."""
    rng = random.Random(seed)
    bank = tmp_path / 'bank'
    for attempt in range(3):
        started = Ranks(job(inputs, bank), tmp_path / f'run{attempt}')
        time.sleep(rng.random() * 0.7)
        started.kill()
    # With settings.json, which goes last, the clean-up is still to do.
    finished = (bank / 'manifest.json').exists()
    if not finished or (bank / 'settings.json').exists():
        started = Ranks(job(inputs, bank), tmp_path / 'last')
        assert started.end() == [0, 0], started.printed()
    assert files_of(bank) == expected


@pytest.fixture
def half(inputs, tmp_path):
    """A bank whose main process was killed after at least two blocks."""
    bank = tmp_path / 'bank'
    started = Ranks(
        signalled_at(14, job(inputs, bank), SIGKILL), tmp_path / 'half'
    )
    assert started.end() == [-SIGKILL, 3]
    assert 2 <= len(records(bank)) < 7
    return bank


def test_finished_blocks_are_not_made_again(
    inputs, expected, half, tmp_path, monkeypatch
):
    there = {int(path.stem) for path in records(half)}
    kept = sum(p.read_text().count('"rejected": null') for p in records(half))
    write_block = run.BankWriter.write_block

    def not_again(self, block, *args):
        assert block not in there
        write_block(self, block, *args)

    monkeypatch.setattr(run.BankWriter, 'write_block', not_again)
    started = Ranks(job(inputs, half), tmp_path / 'run')
    assert started.end() == [0, 0], started.printed()
    assert files_of(half) == expected
    # The bar begins with what was there.
    first, *_ = filter(None, started.printed()[0].splitlines())
    assert f' {kept}/{NUM} [' in first


def test_a_damaged_block_is_made_again(inputs, expected, half, tmp_path):
    next((half / 'images').glob('[0-9]*.png')).unlink()
    torn = records(half)[-1]
    torn.write_bytes(torn.read_bytes()[:50])
    started = Ranks(job(inputs, half), tmp_path / 'run')
    assert started.end() == [0, 0], started.printed()
    assert files_of(half) == expected


def test_a_folder_that_cannot_be_used_ends_all_ranks(inputs, tmp_path):
    bank = tmp_path / 'bank'
    bank.mkdir()
    (bank / 'thesis.tex').write_text('years of work')
    ranks = Ranks(job(inputs, bank), tmp_path / 'run')
    assert ranks.end() == [3, 1]
    first, second = ranks.printed()
    assert 'not empty' in first
    assert second == ''


def test_an_error_of_one_rank_ends_all_ranks(inputs, tmp_path, monkeypatch):
    read = LabeledImages.read

    def unreadable(self, index):
        if torch.distributed.get_rank() == 1:
            raise FileNotFoundError('no readable image')
        return read(self, index)

    monkeypatch.setattr(LabeledImages, 'read', unreadable)
    ranks = Ranks(job(inputs, tmp_path / 'bank'), tmp_path / 'run')
    assert ranks.end() == [1, 3]
    first, second = ranks.printed()
    assert 'Error' not in first
    assert 'no readable image' in second


def test_a_second_writer_is_refused_while_the_first_lives(
    inputs, expected, tmp_path
):
    bank = tmp_path / 'bank'
    first = Ranks(
        signalled_at(7, job(inputs, bank), SIGSTOP), tmp_path / 'first'
    )
    pid = first.processes[0].pid
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    second = Ranks(job(inputs, bank), tmp_path / 'second')
    assert second.end() == [3, 1]
    assert 'another process is writing' in second.printed()[0]
    assert second.printed()[1] == ''
    os.kill(pid, SIGCONT)
    assert first.end() == [0, 0], first.printed()
    assert files_of(bank) == expected


def test_a_remaining_rank_adds_nothing_to_a_finished_bank(
    inputs, expected, tmp_path, monkeypatch
):
    """Its main process was killed, and another run finished the bank."""
    bank = tmp_path / 'bank'
    paint = WindowPainter.paint

    def stop_once(self, plans):
        if torch.distributed.get_rank() == 1:
            WindowPainter.paint = paint
            os.kill(os.getpid(), SIGSTOP)
        return paint(self, plans)

    with monkeypatch.context() as patch:
        patch.setattr(WindowPainter, 'paint', stop_once)
        first = Ranks(
            signalled_at(9, job(inputs, bank), SIGKILL), tmp_path / 'first'
        )
    main, left_over = first.processes
    os.waitid(os.P_PID, left_over.pid, os.WSTOPPED)
    main.join()
    assert main.exitcode == -SIGKILL
    second = Ranks(job(inputs, bank), tmp_path / 'second')
    assert second.end() == [0, 0], second.printed()
    os.kill(left_over.pid, SIGCONT)
    assert first.end() == [-SIGKILL, 3]
    assert files_of(bank) == expected
