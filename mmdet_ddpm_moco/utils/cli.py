"""What the command line tools share."""

import argparse
import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TypeVar

from tqdm import tqdm

from .errors import UserError

T = TypeVar('T')

_IN_WORKER = 'Original Traceback (most recent call last)'
# What MMEngine's registry says of a dotted type that cannot be imported.
_LOOK_UP = 'Failed to get '


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Turns an error that the user can fix into one line, and ends ranks.

    A :class:`UserError` is printed in one line on stderr, with exit code 1;
    a KeyboardInterrupt that has a message likewise, with exit code 130. So
    is, on ranks that are left, the end of another one. Anything else keeps
    its traceback. Output that ``head`` or a pager has left is no error to
    tell of.
    """

    @wraps(main)
    def wrapped() -> None:
        try:
            main()
            _end_ranks()
        except KeyboardInterrupt as stop:
            if not str(stop):
                raise
            if os.environ.get('RANK', '0') == '0':
                print(stop, file=sys.stderr, flush=True)
            sys.stdout.flush()
            # sys.exit() would wait for threads that are still at work.
            os._exit(130)
        except Exception as error:
            if isinstance(error, BrokenPipeError) and _nobody_reads():
                raise SystemExit(128 + signal.SIGPIPE) from None
            message = _user_error(error) or _lost_rank(error)
            if message is None:
                raise
            print(f'error: {message}', file=sys.stderr)
            raise SystemExit(1) from None

    return wrapped


def _end_ranks() -> None:
    """Ends the ranks of a tool that has started some, see ``utils.dist``."""
    if f'{__package__}.dist' in sys.modules:
        from .dist import end_ranks

        end_ranks()


def _nobody_reads() -> bool:
    """Whether stdout is a pipe without a reader; what is left is dropped."""
    try:
        output = sys.stdout.fileno()
    except io.UnsupportedOperation:  # captured
        return False
    poll = select.poll()
    poll.register(output, 0)
    gone = any(event & select.POLLERR for _, event in poll.poll(0))
    if gone:
        # Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return gone


def _user_error(error: BaseException | None) -> str | None:
    """Message of the :class:`UserError` in a chain of errors, if any.

    MMEngine's builders raise an error of the same class around the one that
    a constructor raised, and one of their own around what the look-up of a
    dotted type raised; a data loader repeats a worker's traceback as text.
    """
    while error is not None:
        cause, context = error.__cause__, error.__context__
        inner = cause or context
        # Raised `from None`, it says more than the one in its place.
        replaced = cause is None and error.__suppress_context__
        if isinstance(error, UserError) and (
            replaced
            or not isinstance(inner, UserError)
            or str(inner) not in str(error)
        ):
            text = str(error)
            if _IN_WORKER in text:
                text = text.rstrip().rsplit('\n', 1)[1].split(': ', 1)[1]
            return text
        looked_up = str(error).startswith(_LOOK_UP)
        if (
            cause is None
            and context
            and str(context) not in str(error)
            and not looked_up
        ):
            return None  # another error, raised while that one was handled
        error = inner
    return None


# What gloo and NCCL say when another process is gone.
_GONE = (
    'Connection closed by peer',
    'Connection reset by peer',
    'Broken pipe',
    'remote process exited',
)


def _lost_rank(error: BaseException) -> str | None:
    """Message of an error that another rank's end has caused, if it is one."""
    ranks = int(os.environ.get('WORLD_SIZE', '1'))
    if ranks == 1 or not any(text in str(error) for text in _GONE):
        return None
    return (
        f'another of the {ranks} ranks has ended, as rank '
        f'{os.environ.get("RANK")} finds: see its own output, and start '
        'them again with --resume'
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
    """Passes ``--local_rank`` on to MMEngine."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))


def progress_bar(
    items: Sequence[T], description: str, delay: float = 2.0
) -> Iterable[T]:
    """Items, with a progress bar on a terminal while they are iterated.

    Nothing is shown elsewhere, or before ``delay`` seconds have passed.
    """
    return tqdm(items, description, delay=delay, disable=None, leave=False)
