"""A bank does not depend on who made it, nor on how often they were killed."""

import random
import time

import pytest
import torch
from tiny_banks import OPTIONS, files_of, write_generator, write_images
from tiny_ranks import Ranks, needs_fork

from mmdet_ddpm_moco.datasets.labelled_images import LabelledImages
from mmdet_ddpm_moco.synthesis import synthesize
from mmdet_ddpm_moco.synthesis.gates import QualityGates
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.synthesize import synthesize_bank

pytestmark = needs_fork
NUM = 30


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
    root = tmp_path_factory.mktemp('inputs')
    return write_generator(root / 'generator'), *write_images(root / 'data')


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(synthesize, 'BLOCK', 4)


@pytest.fixture(autouse=True)
def some_are_rejected(monkeypatch):
    """Every fifth window, so that there are rounds of what is missing."""
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
        patch.setattr(synthesize, 'BLOCK', 4)
        patch.setattr(QualityGates, 'rejection', _every_fifth)
        ranks = Ranks(job(inputs, folder / 'bank'), folder / 'run', 1)
        assert ranks.end() == [0], ranks.printed()
    files = files_of(folder / 'bank')
    assert len(files) == NUM + 4
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


def wait_for(condition):
    end = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def records(bank):
    return sorted((bank / 'records').glob('[0-9]*.json'))


@pytest.mark.parametrize('seed', range(4))
def test_killed_at_any_moment(inputs, expected, tmp_path, seed):
    """Again and again, and gone on with by other numbers of ranks."""
    rng = random.Random(seed)
    bank = tmp_path / 'bank'
    alive = 0
    for attempt in range(3):
        there = len(records(bank))
        run = Ranks(
            job(inputs, bank),
            tmp_path / f'run{attempt}',
            rng.choice((1, 2)),
            rng.choice((1, 2)),
        )
        more = rng.randrange(3)
        wait_for(
            lambda there=there, more=more, run=run: (
                len(records(bank)) >= there + more
                or not run.processes[0].is_alive()
            )
        )
        time.sleep(rng.random() * 0.05)
        # The last seed leaves its first rank to notice for itself.
        run.kill()
        alive += run.processes[0].exitcode == -9
    assert alive
    run = Ranks(job(inputs, bank), tmp_path / 'last', 1 + seed % 2)
    codes = run.end()
    if alive == 3:
        assert set(codes) == {0}, run.printed()
    assert files_of(bank) == expected


def test_blocks_that_are_there_are_not_painted_again(
    inputs, expected, tmp_path
):
    bank = tmp_path / 'bank'
    first = Ranks(job(inputs, bank), tmp_path / 'first')
    wait_for(lambda: len(records(bank)) >= 2)
    first.kill()
    before = {p.name: p.stat().st_mtime_ns for p in records(bank)}
    kept = sum(p.read_text().count('"rejected": null') for p in records(bank))
    (bank / 'images' / 'other').write_bytes(b'')
    with pytest.MonkeyPatch.context() as patch:
        after = {}
        close = synthesize.BankWriter.close

        def look(self, *args):
            names = {p.name: p.stat().st_mtime_ns for p in records(bank)}
            (tmp_path / 'after').write_text(repr(names))
            return close(self, *args)

        patch.setattr(synthesize.BankWriter, 'close', look)
        second = Ranks(job(inputs, bank), tmp_path / 'second', 1)
        assert second.end() == [0]
    after = eval((tmp_path / 'after').read_text())
    assert before.items() <= after.items()
    assert files_of(bank) == expected
    # The bar begins with what was there.
    first, *_ = filter(None, second.printed()[0].splitlines())
    assert f' {kept}/{NUM} [' in first


def test_a_damaged_block_is_painted_again(inputs, expected, tmp_path):
    bank = tmp_path / 'bank'
    first = Ranks(job(inputs, bank), tmp_path / 'first')
    wait_for(lambda: len(records(bank)) >= 3)
    first.kill()
    lost = next((bank / 'images').glob('[0-9]*.png'))
    lost.unlink()
    torn = records(bank)[-1]
    torn.write_bytes(torn.read_bytes()[:50])
    second = Ranks(job(inputs, bank), tmp_path / 'second')
    assert second.end() == [0, 0], second.printed()
    assert files_of(bank) == expected


def test_a_folder_that_can_not_be_used_ends_all_ranks(inputs, tmp_path):
    bank = tmp_path / 'bank'
    bank.mkdir()
    (bank / 'thesis.tex').write_text('years of work')
    ranks = Ranks(job(inputs, bank), tmp_path / 'run')
    assert ranks.end() == [3, 1]
    first, second = ranks.printed()
    assert 'not empty' in first
    assert second == ''


def test_an_error_of_one_rank_ends_all_ranks(inputs, tmp_path, monkeypatch):
    read = LabelledImages.read

    def unreadable(self, index):
        if torch.distributed.get_rank() == 1:
            raise FileNotFoundError('no readable image')
        return read(self, index)

    monkeypatch.setattr(LabelledImages, 'read', unreadable)
    ranks = Ranks(job(inputs, tmp_path / 'bank'), tmp_path / 'run')
    assert ranks.end() == [1, 3]
    first, second = ranks.printed()
    assert 'Error' not in first
    assert 'no readable image' in second


def test_ranks_of_a_killed_main_process_end(inputs, tmp_path):
    bank = tmp_path / 'bank'
    ranks = Ranks(job(inputs, bank, num=200), tmp_path / 'run')
    wait_for(lambda: len(records(bank)) >= 1)
    ranks.processes[0].kill()
    assert ranks.end() == [-9, 3]


def test_a_second_writer_is_refused_while_the_first_lives(
    inputs, expected, tmp_path
):
    bank = tmp_path / 'bank'
    first = Ranks(job(inputs, bank), tmp_path / 'first')
    wait_for(lambda: len(records(bank)) >= 1)
    first.processes[0].terminate  # noqa: B018
    second = Ranks(job(inputs, bank), tmp_path / 'second')
    assert second.end() == [3, 1]
    assert 'another process' in second.printed()[0]
    assert first.end() == [0, 0], first.printed()
    assert files_of(bank) == expected
