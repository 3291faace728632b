"""Ctrl-C ends synthesis at once, in one line that says how to resume."""

import os
import signal
import time

import pytest

from helpers.tiny_banks import OPTIONS, write_generator, write_images
from helpers.tiny_ranks import Ranks, needs_fork
from mmdet_ddpm_moco.synthesis import run
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.painter import WindowPainter
from mmdet_ddpm_moco.synthesis.run import synthesize_bank
from mmdet_ddpm_moco.utils.cli import one_line_errors

pytestmark = needs_fork


# In threads it is the main thread that must not wait for them.
@pytest.mark.parametrize('threads', [1, 2])
def test_one_line_says_how_to_resume(tmp_path, monkeypatch, threads):
    generator = write_generator(tmp_path / 'generator')
    images = write_images(tmp_path / 'data')

    def slow(self, plans):
        (tmp_path / 'painting').touch()
        end = time.monotonic() + 200
        while time.monotonic() < end:
            time.sleep(0.01)

    monkeypatch.setattr(run, 'BLOCK', 4)
    monkeypatch.setattr(WindowPainter, 'paint', slow)

    @one_line_errors
    def tool():
        # Where tests run in the background it is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        synthesize_bank(
            load_generator(generator),
            *images,
            tmp_path / 'bank',
            num=8,
            **OPTIONS,
        )

    started = Ranks(tool, tmp_path / 'run', ranks=1, threads=threads)
    end = time.monotonic() + 100
    while not (tmp_path / 'painting').exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(started.processes[0].pid, signal.SIGINT)
    assert started.end(100) == [130]
    *_, last = started.printed()[0].splitlines()
    assert last == (
        f'stopped; {tmp_path / "bank"} is unfinished, run the same command '
        'again to resume'
    )
    assert 'Traceback' not in started.printed()[0]
