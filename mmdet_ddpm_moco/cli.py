"""What the command line tools share."""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from .stack import StackError

_PACKAGE = Path(__file__).resolve().parent
_WORKER_FRAME = re.compile(r'  File "([^"]+)", line \d+, in .+\n +(.+)')


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Turns an error that this package raised on purpose into one line.

    A wrong input is told in one line on stderr, with exit code 1. So is a
    Ctrl-C that this package has something to say about, with exit code 130.
    Anything else keeps its traceback.
    """

    @wraps(main)
    def wrapped() -> None:
        try:
            main()
        except KeyboardInterrupt as stop:
            if not str(stop):
                raise
            if os.environ.get('RANK', '0') == '0':
                print(stop, file=sys.stderr, flush=True)
            sys.stdout.flush()
            # sys.exit() would wait for threads that are still at work.
            os._exit(130)
        except Exception as error:
            told = _ours(error)
            if told is None:
                raise
            print(f'error: {told}', file=sys.stderr)
            raise SystemExit(1) from None

    return wrapped


def _ours(error: BaseException | None) -> str | None:
    """Text of the chain's error that this package raised on purpose, if any.

    MMEngine's builders raise an error of their own around the one that a
    constructor raised; a data loader repeats a worker's traceback as text.
    """
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        if (
            frames
            and _raised_here(frames[-1].filename, frames[-1].line)
            and isinstance(error, (OSError, ValueError, StackError))
        ):
            return str(error)
        in_worker = _WORKER_FRAME.findall(str(error))
        if in_worker and _raised_here(*in_worker[-1]):
            return str(error).rstrip().rsplit('\n', 1)[1].split(': ', 1)[1]
        cause, context = error.__cause__, error.__context__
        if cause is None and context and str(context) not in str(error):
            return None  # another error, met while that one was handled
        error = cause or context
    return None


def _raised_here(file: str, line: str | None) -> bool:
    # What numpy or int() raise has the frame of its caller last, too.
    return Path(file).is_relative_to(_PACKAGE) and bool(
        line and line.startswith('raise ')
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Adds the options of OpenMMLab's tools for distributed runs."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher (default: %(default)s)',
    )
    # torch.distributed.launch passes it.
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )


def set_local_rank(args: argparse.Namespace) -> None:
    """Hands ``--local_rank`` over to MMEngine."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
