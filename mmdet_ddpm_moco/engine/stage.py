"""A stage, and what all kinds of stages need."""

import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import print_log

from ..utils.dist import long_timeout_group, main_process_first
from ..utils.fileio import lock_file
from .training import set_aside

LOCK = '.stages.lock'


@dataclass
class Stage:
    """One stage."""

    name: str  # generator, bank, backbone or teacher
    output: Path  # what later stages read
    fresh: Callable[[], bool]  # whether `output` exists and is up to date
    make: Callable[[], None]  # makes it
    command: str  # the command line that does the same
    # Images that it is made from; None of the bank, which is made from those
    # of its generator.
    images: Callable[[], Iterable[Path]] | None = None


@contextmanager
def sole_maker(root: Path) -> Iterator[None]:
    """Keeps other runs from making stages in a folder meanwhile.

    They wait, and then find what was made.
    """
    with ExitStack() as held:

        def hold() -> None:
            try:
                root.mkdir(parents=True, exist_ok=True)
                file = held.enter_context((root / LOCK).open('w'))
                if not lock_file(file, wait=False):
                    print_log(
                        f'waiting for another run that makes stages in {root}'
                    )
                    lock_file(file, wait=True)
            except OSError as error:
                # Read-only, or a cluster file system without locks.
                print_log(
                    f'{root} cannot be locked ({error.strerror}): make sure '
                    'that no other run makes stages there'
                )

        main_process_first(hold, long_timeout_group())
        yield


def clear_away(folder: Path) -> None:
    """Sets a folder of other settings aside, if there is one."""
    aside = set_aside(folder)
    if aside is not None:
        print_log(f'older output of other settings kept as {aside}')


def quoted(*words: object) -> str:
    """Words of a command line, as a shell takes them."""
    return shlex.join(map(str, words))


def flags(options: dict) -> str:
    """Options of a command line tool, from its keyword arguments."""
    return ' '.join(
        f'--{key.replace("_", "-")} {_flag(value)}'
        for key, value in options.items()
    )


def _dotted(options: dict, before: str = '') -> Iterator[tuple[str, object]]:
    """Settings of a config by their dotted names."""
    for key, value in options.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f'{before}{key}.')
        else:
            yield f'{before}{key}', value


def _flag(value: object) -> str:
    if isinstance(value, dict):
        return ' '.join(shlex.quote(f'{k}={v}') for k, v in _dotted(value))
    if isinstance(value, (list, tuple)):
        return quoted(*value)
    return quoted(value)
