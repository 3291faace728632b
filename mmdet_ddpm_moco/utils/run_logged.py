"""Running a tool as a command: output in a log, progress on the screen."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import ToolFailedError

_PROGRESS = re.compile(
    r'(?P<what>Iter|Epoch)\((?P<mode>train|test|val)\)\s+'
    r'(?P<at>[\[\d/ \]]+).*?eta: (?P<eta>[\d:]+)'
)


# Lines of the tools that are shown as they are.
SHOWN = ('stage ', 'all stages ', 'making ', 'going on', 'error')


def progress(line: str) -> str | None:
    """What a line of a log says of the time left, if anything."""
    if found := _PROGRESS.search(line):
        return f'{found["mode"]} {found["at"]} {found["eta"]} left'
    return line.strip() if line.startswith('synthesizing') else None


def run_logged(
    command: Sequence[str],
    log: str | Path,
    on_line: Callable[[str], None] | None = None,
) -> float:
    """Runs a Python command; stages and time left are shown as it goes.

    Args:
        command (Sequence[str]): ``python`` and its arguments.
        log (str | Path): File for all that it prints.
        on_line (Callable, optional): Called with each line. Defaults to None.

    Returns:
        float: Seconds taken.

    Raises:
        ChildProcessError: The command failed; with the end of its log.
    """
    log = Path(log)
    print(f'$ {" ".join(command)}\n  (log: {log})')
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (
        log.open('w', buffering=1) as file,
        subprocess.Popen(
            [sys.executable, '-W', 'ignore', *command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        ) as process,
    ):
        try:
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
    seconds = time.monotonic() - began
    print(f'\r  {seconds:.0f} s'.ljust(79))
    if process.returncode:
        tail = '\n'.join(log.read_text().splitlines()[-15:])
        msg = f'{tail}\n{" ".join(command)} failed; the whole log is {log}'
        raise ToolFailedError(msg)
    return seconds
