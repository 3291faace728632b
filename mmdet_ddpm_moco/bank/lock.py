"""Whose a bank is while it is written.

``settings.json`` says with what a bank was begun, and is the lock of the
process that writes it. It is the first file of a bank and the last one that
goes when the bank is finished: a folder that has it is unfinished. The lock
goes with its holder, however that ends, and never lies in a finished bank.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from mmengine.logging import print_log

from ..utils.errors import FileAccessError, InputError
from .reader import FORMAT_VERSION

SETTINGS = 'settings.json'


@contextmanager
def writing_to(root: Path) -> Iterator[None]:
    """Tells what the system has against a folder in one line.

    Args:
        root (Path): Folder of the bank.

    Raises:
        OSError: For any raised within.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise  # one of ours
        msg = (
            f'cannot write the bank {root}: {error.strerror}; put that '
            'right or choose another folder'
        )
        raise FileAccessError(msg) from error


def is_started(root: str | Path, settings: dict) -> bool:
    """Whether a folder holds an unfinished bank of these settings."""
    try:
        found = json.loads((Path(root) / SETTINGS).read_bytes())
        return found.pop('format_version') == FORMAT_VERSION and (
            found == settings
        )
    except (OSError, ValueError, AttributeError, KeyError):
        return False


@contextmanager
def locked(root: Path) -> Iterator[BinaryIO]:
    """Locks a bank that was begun, or begins one.

    Args:
        root (Path): Its folder.

    Yields:
        BinaryIO: Its ``settings.json``, to be read and written.

    Raises:
        ValueError: Another process writes this bank.
    """
    while True:
        with (root / SETTINGS).open('a+b') as file:
            _lock(file, root)
            # Who held the lock before may have finished and removed it.
            if _is_still(root / SETTINGS, file):
                file.seek(0)
                yield file
                return


def _lock(file: BinaryIO, root: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        msg = (
            f'another process is writing the bank {root}; wait until it is '
            'done, or choose another folder'
        )
        raise InputError(msg) from None
    except OSError as error:
        # Some cluster file systems have none.
        print_log(
            f'{root} cannot be locked ({error.strerror}): see to it that '
            'no other process writes there'
        )


def _is_still(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextmanager
def bank_lock(root: str | Path, settings: dict) -> Iterator[None]:
    """Keeps other writers out of a bank while it is written.

    Args:
        root (str | Path): Folder of the bank. May hold an unfinished bank
            begun with the same settings.
        settings (dict): All that the windows depend on; JSON types.

    Raises:
        OSError: The folder cannot be written.
        ValueError: It holds a finished bank, a bank begun with other
            settings or by a newer version, or something else; or another
            process writes it.
    """
    root = Path(root)
    with ExitStack() as held:
        with writing_to(root):
            root.mkdir(parents=True, exist_ok=True)
            if not (root / SETTINGS).exists():
                _check_unbegun(root)
            file = held.enter_context(locked(root))
            _begin(root, file, settings)
        yield


def _check_unbegun(root: Path) -> None:
    """Refuses a folder in which no bank can be begun."""
    if (root / 'manifest.json').exists():
        msg = (
            f'{root} holds a finished bank; choose another folder, or '
            'remove it first'
        )
        raise InputError(msg)
    if any(
        path.is_file() and not path.name.startswith('.')
        for path in root.rglob('*')
        if path != root / SETTINGS
    ):
        msg = f'{root} is not empty and holds no bank; choose another folder'
        raise InputError(msg)


def _begin(root: Path, file: BinaryIO, settings: dict) -> None:
    """Begins a bank whose lock is held, or checks what was begun."""
    wanted = dict(format_version=FORMAT_VERSION, **settings)
    text = file.read()
    try:
        found = json.loads(text)
    except ValueError:
        # New, or killed before it was written: windows come after.
        try:
            _check_unbegun(root)
        except ValueError:
            if not text:
                (root / SETTINGS).unlink()
            raise
        file.truncate(0)
        file.write((json.dumps(wanted, indent=1) + '\n').encode())
        file.flush()
        os.fsync(file.fileno())
    else:
        _compare(root, found, wanted)
    for name in ('images', 'records'):
        (root / name).mkdir(exist_ok=True)


def _compare(root: Path, found: dict, wanted: dict) -> None:
    """Refuses to go on with a bank that was begun otherwise."""
    version = found.get('format_version', 0)
    if version > FORMAT_VERSION:
        msg = (
            f'the bank {root} was begun in format {version}, this version '
            f'writes {FORMAT_VERSION}; upgrade mmdet-ddpm-moco or choose '
            'another folder'
        )
        raise InputError(msg)
    if found != wanted:
        msg = (
            f'{root} holds a bank begun with other settings; choose another '
            'folder, or remove it first'
        )
        raise InputError(msg)
