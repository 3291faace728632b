import random

import pytest

from mmdet_ddpm_moco.synthesis.block_scheduling import (
    BLOCKS_PER_WORKER,
    next_round,
)


def play(counts, num, size, workers, accepted=None):
    """Rounds until the end, given the counts of all blocks."""
    accepted, rounds = dict(accepted or {}), []
    while blocks := next_round(accepted, num, size, workers, len(counts)):
        assert not set(blocks) & set(accepted)
        assert blocks == sorted(blocks)
        accepted.update({block: counts[block] for block in blocks})
        rounds.append(blocks)
    return accepted, rounds


@pytest.mark.parametrize('workers', [1, 2, 3, 7, 40])
@pytest.mark.parametrize('seed', range(5))
def test_all_needed_blocks_are_made(workers, seed):
    rng = random.Random(seed)
    counts = [rng.randint(0, 8) for _ in range(200)]
    finished = {b: counts[b] for b in rng.sample(range(30), seed * 3)}
    accepted, rounds = play(counts, 100, 8, workers, finished)
    needed = next(
        n for n in range(200) if sum(counts[:n]) >= 100
    )  # blocks 0 .. needed - 1
    assert set(range(needed)) <= set(accepted)
    # Blocks too many only used idle workers.
    extra = [b for b in accepted if b >= needed and b not in finished]
    assert len(extra) < workers
    assert all(len(r) <= workers * BLOCKS_PER_WORKER for r in rounds)


def test_one_worker_makes_no_block_too_many():
    accepted, _ = play([4, 3, 2, 1, 4, 4, 4], 10, 4, 1)
    assert sorted(accepted) == [0, 1, 2, 3]


def test_idle_workers_follow_the_acceptance_rate():
    half = dict.fromkeys(range(8), 2)
    # 4 windows of 20 are missing, which may be one block or two.
    assert next_round(half, 20, 4, 1, 99) == [8]
    assert next_round(half, 20, 4, 2, 99) == [8, 9]
    assert next_round(half, 20, 4, 8, 99) == [8, 9]
    # At a rate of a quarter four are expected, for two workers.
    quarter = dict.fromkeys(range(8), 1)
    assert next_round(quarter, 12, 4, 2, 99) == [8, 9]


def test_gates_that_reject_everything():
    accepted, rounds = play([0] * 9, 8, 4, 2)
    assert sorted(accepted) == list(range(9))
    assert next_round(accepted, 8, 4, 2, 9) == []
    assert len(rounds) == 5


def test_the_ranks_share_a_round_evenly():
    blocks = next_round({}, 1000, 4, 3, 9999)
    assert len(blocks) == 3 * BLOCKS_PER_WORKER
    assert blocks == list(range(12))
