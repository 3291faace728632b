"""The lock of a bank, held while it is written.

``settings.json`` records the settings that a bank was started with, and is
the lock of the process that writes it. It is the first file of a bank and the
last one removed when the bank is finished: a folder that has it is
unfinished. The lock ends with its process, however that ends.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from mmengine.logging import print_log

from ..utils.errors import FileAccessError, InputError
from ..utils.fileio import json_bytes, lock_file
from .format import FORMAT_VERSION, IMAGES, MANIFEST, RECORDS, SETTINGS


@contextmanager
def writing_to(root: Path) -> Iterator[None]:
    """Reports an error of the operating system in one line.

    Raises:
        OSError: For any raised inside.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise  # one of ours
        msg = (
            f'cannot write the bank {root}: {error.strerror}; fix that or '
            'choose another folder'
        )
        raise FileAccessError(msg) from error


def is_started(root: str | Path, settings: dict) -> bool:
    """Whether a folder holds an unfinished bank of these settings.

    Settings without ``device`` fit a bank of any device.
    """
    try:
        found = json.loads((Path(root) / SETTINGS).read_bytes())
        if 'device' not in settings:
            found.pop('device', None)
        return found.pop('format_version') == FORMAT_VERSION and (
            found == settings
        )
    except (OSError, ValueError, AttributeError, KeyError):
        return False


@contextmanager
def locked(root: Path) -> Iterator[BinaryIO]:
    """Locks an unfinished bank, or a folder where one is to be started.

    Yields:
        BinaryIO: Its ``settings.json``, opened for reading and writing.

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
        free = lock_file(file, wait=False)
    except OSError as error:
        # Some cluster file systems have none.
        print_log(
            f'{root} cannot be locked ({error.strerror}): make sure that no '
            'other process writes there'
        )
        return
    if not free:
        msg = (
            f'another process is writing the bank {root}; wait until it is '
            'done, or choose another folder'
        )
        raise InputError(msg)


def _is_still(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextmanager
def bank_lock(root: str | Path, settings: dict) -> Iterator[dict]:
    """Starts or resumes a bank, and keeps other writers out.

    Args:
        root (str | Path): Folder of the bank. May hold an unfinished bank
            started with the same settings.
        settings (dict): All that the windows depend on; JSON types.

    Yields:
        dict: The settings that the bank was started with: those given, but
        for ``device`` where an older version started it, which kept none.

    Raises:
        OSError: The folder cannot be written.
        ValueError: It holds a finished bank, a bank started with other
            settings, on another kind of device or by a newer version, or
            something else; or another process writes it.
    """
    root = Path(root)
    with ExitStack() as held:
        with writing_to(root):
            root.mkdir(parents=True, exist_ok=True)
            if not (root / SETTINGS).exists():
                _check_no_bank(root)
            file = held.enter_context(locked(root))
            settings = _start(root, file, settings)
        yield settings


def _check_no_bank(root: Path) -> None:
    """Refuses a folder in which no bank can be started."""
    if (root / MANIFEST).exists():
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


def _start(root: Path, file: BinaryIO, settings: dict) -> dict:
    """Starts a bank whose lock is held, or checks the one to resume."""
    wanted = dict(format_version=FORMAT_VERSION, **settings)
    text = file.read()
    try:
        found = json.loads(text)
    except ValueError:
        # New, or killed before it was written: windows come after.
        try:
            _check_no_bank(root)
        except ValueError:
            if not text:
                (root / SETTINGS).unlink()
            raise
        file.truncate(0)
        file.write(json_bytes(wanted, indent=1))
        file.flush()
        os.fsync(file.fileno())
    else:
        if 'device' in wanted and 'device' not in found:
            print_log(f'{root} does not say on which device it was started')
            del wanted['device']
        _check_settings(root, found, wanted)
    for name in (IMAGES, RECORDS):
        (root / name).mkdir(exist_ok=True)
    del wanted['format_version']
    return wanted


def _check_settings(root: Path, found: dict, wanted: dict) -> None:
    """Refuses to resume a bank that was started with other settings."""
    version = found.get('format_version', 0)
    if version > FORMAT_VERSION:
        msg = (
            f'the bank {root} was started in format {version}, this version '
            f'writes {FORMAT_VERSION}; upgrade mmdet-ddpm-moco or choose '
            'another folder'
        )
        raise InputError(msg)
    if found == {**wanted, 'device': found.get('device')} != wanted:
        msg = (
            f'{root} holds a bank started on another kind of device, '
            f'{found["device"]}, whose windows are not those of this one, '
            f'{wanted["device"]}; finish it there, choose another folder, or '
            'remove it first'
        )
        raise InputError(msg)
    if found != wanted:
        msg = (
            f'{root} holds a bank started with other settings; choose '
            'another folder, or remove it first'
        )
        raise InputError(msg)
