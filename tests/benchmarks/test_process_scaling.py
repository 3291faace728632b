from threading import BrokenBarrierError

import pytest

from benchmarks.speed import process_scaling
from benchmarks.speed.process_scaling import (
    Work,
    batches_per_second,
    scaling_rows,
)
from mmdet_ddpm_moco.synthesis.settings import BankOptions


@pytest.mark.parametrize(
    ('processes', 'rate'),
    [
        # One process: 3 batches in 6 seconds, pauses counted.
        ([[(10, 12), (12, 13), (14, 16)]], 0.5),
        # Two alike.
        ([[(0, 1), (1, 2)], [(0, 1), (1, 2)]], 2),
        # From 1 to 4: half a batch and one; one, and half a batch.
        ([[(0, 2), (2, 4)], [(1, 3), (3, 5)]], 1),
        # From 0 to 2: one of the first's, a quarter of the second's.
        ([[(0, 2)], [(0, 8), (8, 9)]], 0.625),
    ],
)
def test_the_rate_is_of_the_common_time(processes, rate):
    assert batches_per_second(processes) == pytest.approx(rate)
    assert batches_per_second(processes[::-1]) == pytest.approx(rate)


def test_processes_without_common_time_have_no_rate():
    with pytest.raises(ValueError, match='at the same time'):
        batches_per_second([[(0, 1)], [(1, 2)]])


def work(folder):
    options = BankOptions(num_inference_steps=2)
    return Work(str(folder), 'none.json', '.', 1, options, 1, 1)


def test_a_process_that_fails_frees_the_other(tmp_path, monkeypatch):
    calls = []

    class Barrier:
        def abort(self):
            calls.append('abort')

    monkeypatch.setattr(process_scaling, '_barrier', Barrier(), raising=False)
    with pytest.raises(FileNotFoundError, match='no generator'):
        process_scaling._sample(work(tmp_path), 0)
    assert calls == ['abort']


def test_the_first_error_is_raised(tmp_path, monkeypatch):
    class Future:
        def __init__(self, error):
            self.exception = lambda: error

    class Pool:
        def __init__(self, *_, **__):
            self.errors = [BrokenBarrierError(), ValueError('the cause')]

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, function, task, rank):
            return Future(self.errors[rank])

    monkeypatch.setattr(process_scaling, 'ProcessPoolExecutor', Pool)
    with pytest.raises(ValueError, match='the cause'):
        scaling_rows(work(tmp_path))
