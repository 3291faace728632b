"""What the command line tools share."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from .stack import StackError

_PACKAGE = str(Path(__file__).resolve().parent)


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Turns an error that this package raised on purpose into one line.

    A wrong input is told in one line on stderr, with exit code 1. Anything
    else keeps its traceback.
    """

    @wraps(main)
    def wrapped() -> None:
        try:
            main()
        except (OSError, ValueError, StackError) as error:
            told = _ours(error)
            if told is None:
                raise
            print(f'error: {told}', file=sys.stderr)
            raise SystemExit(1) from None

    return wrapped


def _ours(error: BaseException | None) -> BaseException | None:
    """The error of the chain that was raised in this package, if any.

    MMEngine's builders raise an error of their own around the one that a
    constructor raised.
    """
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        if (
            frames
            and frames[-1].filename.startswith(_PACKAGE)
            and isinstance(error, (OSError, ValueError, StackError))
        ):
            return error
        error = error.__cause__ or error.__context__
    return None


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Adds the options of OpenMMLab's tools for distributed runs."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher (default: none)',
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
