import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmdet_ddpm_moco.utils.run_logged import progress, run_logged, time_left


def test_the_log_has_everything_the_screen_what_matters(tmp_path, capsys):
    steps = [
        'stage 1 of 2, generator: making x',
        'resuming the unfinished run in x',
        'making the data set in x',
        'all stages are ready, the detector follows',
        'error: wrong',
    ]
    lines = [
        *steps,
        'a detail',
        '11/24 - INFO - Iter(train) [ 50/100]  lr: 1e-4  eta: 0:02:32  x',
    ]
    heard = []
    seconds = run_logged(
        ['python', '-c', '\n'.join(f'print({line!r})' for line in lines)],
        tmp_path / 'logs' / 'x.log',
        heard.append,
    )
    assert (tmp_path / 'logs' / 'x.log').read_text().split('\n')[:-1] == lines
    assert heard == [line + '\n' for line in lines]
    assert 0 < seconds < 60
    shown = capsys.readouterr().out
    shown = shown.split('x.log)')[1]
    assert all(f'  {step} ' in shown for step in steps)
    assert 'train [ 50/100] ' in shown
    assert '0:02:32 left' in shown
    assert 'a detail' not in shown


def test_a_command_that_fails_names_its_log(tmp_path):
    code = 'import sys; print("why"); sys.exit(3)'
    with pytest.raises(ChildProcessError, match='why') as error:
        run_logged(['python', '-c', code], tmp_path / 'x.log')
    assert str(tmp_path / 'x.log') in str(error.value)


@pytest.mark.parametrize(
    'line, said',
    [
        (
            'Epoch(train)  [7][20/20]  lr: 1  eta: 0:03:28  time: 0.4',
            '0:03:28',
        ),
        (
            'Iter(train) [ 50/100]  eta: 1 day, 0:03:28  time: 0.4',
            ' 1 day, 0:03:28 left',
        ),
        ('synthesizing:  10%| | 20/200', 'synthesizing:  10%| | 20/200'),
        (
            '  train [ 50/100] 0:02:32 left      ',
            'train [ 50/100] 0:02:32 left',
        ),
        ('loss: 1.0', None),
        ('  12 s     ', None),
    ],
)
def test_progress(line, said):
    found = progress(line)
    assert found is None if said is None else said in found


@pytest.mark.parametrize(
    'line, seconds',
    [
        ('Iter(train) [ 50/100]  lr: 1e-4  eta: 0:02:32  x', 152),
        ('Epoch(train)  [7][20/20]  eta: 1 day, 10:00:01  x', 122401),
        ('Iter(train) [ 50/100]  eta: 2 days, 0:00:00  x', 172800),
        ('Iter(test) [ 50/100]    eta: 0:00:05  x', None),
        ('stage 1 of 2, generator: making x', None),
    ],
)
def test_time_left(line, seconds):
    assert time_left(line) == seconds


def test_progress_of_a_tool_inside_a_tool_is_shown(tmp_path, capsys):
    line = 'Iter(train) [ 50/100]  lr: 1e-4  eta: 0:02:32  x'
    inner = tmp_path / 'inner.py'
    inner.write_text(
        'from mmdet_ddpm_moco.utils.run_logged import run_logged\n'
        f'run_logged(["python", "-c", "print({line!r})"], {str(tmp_path)!r} '
        '+ "/inner.log")\n'
    )
    run_logged(['python', str(inner)], tmp_path / 'outer.log')
    shown = capsys.readouterr().out
    assert 'train [ 50/100] ' in shown
    assert '0:02:32 left' in shown


@pytest.mark.skipif(sys.platform != 'linux', reason='of Linux')
def test_a_tool_ends_when_whoever_runs_it_is_killed(tmp_path):
    tool = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'
    caller = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'from mmdet_ddpm_moco.utils.run_logged import run_logged\n'
            f'run_logged(["python", "-c", {tool!r}], "x.log")',
        ],
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    log = tmp_path / 'x.log'
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    status = Path('/proc') / log.read_text().strip() / 'stat'

    def runs():
        # One that has ended may be waiting for somebody to notice.
        return status.is_file() and ') Z ' not in status.read_text()

    assert runs()
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    while runs():
        assert time.monotonic() < deadline
        time.sleep(0.05)
