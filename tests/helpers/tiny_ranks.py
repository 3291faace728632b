"""Runs a job on several ranks, in processes."""

import os
import sys
import traceback
from multiprocessing import get_context
from pathlib import Path
from threading import RLock

import pytest
import torch
from tqdm import tqdm

# What is patched in a test is patched in its ranks.
FORK = get_context('fork')
needs_fork = pytest.mark.skipif(sys.platform != 'linux', reason='needs fork')


def _run(job, rank, ranks, folder, threads):
    torch.set_num_threads(threads)
    # The one of tqdm is shared with the tests' process: a rank that is killed
    # while it writes its progress would keep it from all later ones.
    tqdm.set_lock(RLock())
    os.environ['RANK'] = str(rank)
    log = os.open(folder / f'log{rank}', os.O_CREAT | os.O_WRONLY, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, 'w', buffering=1)
    sys.stderr = os.fdopen(2, 'w', buffering=1)
    if ranks > 1:
        torch.distributed.init_process_group(
            'gloo',
            init_method=f'file://{folder}/meeting',
            rank=rank,
            world_size=ranks,
        )
    try:
        job()
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        raise SystemExit(3) from None


def signalled_at(number, job, signal, rank=0):
    """A job that sends itself a signal before it changes a file.

    Args:
        number (int): Before which name appears or goes.
        job (Callable): The job.
        signal (int): What to send.
        rank (int): The rank that does so.
    """

    def run():
        count = 0
        replace, unlink = Path.replace, Path.unlink

        def counted(change):
            def changed(self, *args, **kwargs):
                nonlocal count
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal)
                return change(self, *args, **kwargs)

            return changed

        if os.environ['RANK'] == str(rank):
            Path.replace, Path.unlink = counted(replace), counted(unlink)
        job()

    return run


class Ranks:
    """Runs a job in new processes.

    Args:
        job (Callable): Takes nothing.
        folder (Path): For what they print; made.
        ranks (int): How many.
        threads (int): Of torch, in each.
    """

    def __init__(self, job, folder, ranks=2, threads=1):
        folder.mkdir()
        self.folder = folder
        self.processes = [
            FORK.Process(target=_run, args=(job, i, ranks, folder, threads))
            for i in range(ranks)
        ]
        for process in self.processes:
            process.start()

    def end(self, timeout=300):
        """Waits for all; returns exit codes and what they printed."""
        for process in self.processes:
            process.join(timeout)
        hung = [p.is_alive() for p in self.processes]
        self.kill()
        assert not any(hung), self.printed()
        return [p.exitcode for p in self.processes]

    def kill(self):
        for process in self.processes:
            process.kill()
            process.join()

    def printed(self):
        return [
            (self.folder / f'log{i}').read_text()
            for i in range(len(self.processes))
        ]
