"""Running a tool as a command: output in a log, progress on the screen.

What is shown is a contract with the tools' log lines: :data:`SHOWN` lists how
the lines begin that report a step (``engine.stages``, ``engine.options``,
``engine.teacher_costs``, ``utils.cli``), ``ablation.stopwatch`` reads the ones
of stages; :func:`progress` recognizes the progress lines of MMEngine's
LoggerHook, of the bar of ``synthesis.fill`` and of a tool inside the tool.
"""

import ctypes
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import ToolFailedError

# What lines begin with that are shown as they are.
SHOWN = (
    'stage ',
    'all stages ',
    'making ',
    'resuming',
    'teachers: ',
    'error',
)

_PROGRESS = re.compile(
    r'(?P<what>Iter|Epoch)\((?P<mode>train|test|val)\)\s+'
    r'(?P<at>[\[\d/ \]]+).*?'
    r'eta: (?P<eta>(?:(?P<days>\d+) days?, )?(?P<clock>\d+:\d\d:\d\d))'
)
# What a tool that runs another tool shows of it.
_INNER = re.compile(r'\s*((train|test|val) \[.* left)\s*$')


def progress(line: str) -> str | None:
    """Progress and time left, if a log line reports them."""
    if found := _PROGRESS.search(line):
        return f'{found["mode"]} {found["at"]} {found["eta"]} left'
    if found := _INNER.match(line):
        return found[1]
    return line.strip() if line.startswith('synthesizing') else None


def time_left(line: str) -> float | None:
    """Seconds left, if a log line of a training reports them."""
    found = _PROGRESS.search(line)
    if found is None or found['mode'] != 'train':
        return None
    hours, minutes, seconds = map(int, found['clock'].split(':'))
    days = int(found['days'] or 0)
    return float(seconds + 60 * (minutes + 60 * (hours + 24 * days)))


# Loaded here: between fork and exec a process should load nothing.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == 'linux' else None
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Has the kernel end this process when the one that started it ends.

    Else a tool would go on, and write into a folder that is resumed already.
    """
    assert _PRCTL is not None
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run_logged(
    command: Sequence[str],
    log: str | Path,
    on_line: Callable[[str], None] | None = None,
) -> float:
    """Runs ``python`` with arguments; shows its stages and the time left.

    All that it prints goes to the file ``log``, each line also to
    ``on_line``. On Linux it ends when this process is killed.

    Returns:
        float: Seconds taken.

    Raises:
        ChildProcessError: The command failed; with the end of its log.
    """
    log = Path(log)
    print(f'$ {" ".join(command)}\n  (log: {log})')
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with (
        log.open('w', buffering=1) as file,
        subprocess.Popen(
            [sys.executable, '-W', 'ignore', *command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            preexec_fn=None if _PRCTL is None else _end_with_parent,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                if on_line is not None:
                    on_line(line)
                if line.startswith(SHOWN):
                    print(f'\r  {line.strip():<76}')
                elif (now := progress(line)) is not None:
                    print(f'\r  {now:<76.76}', end='', flush=True)
        except BaseException:
            process.kill()
            raise
    seconds = time.monotonic() - start
    print(f'\r  {seconds:.0f} s'.ljust(79))
    if process.returncode:
        tail = '\n'.join(log.read_text().splitlines()[-15:])
        msg = f'{tail}\n{" ".join(command)} failed; the whole log is {log}'
        raise ToolFailedError(msg)
    return seconds
