"""Atomic writes, JSON state files and file locks, for the whole package.

A stage that is killed while it writes must not leave half a file under a
name that the next stage takes for a finished one.
"""

import io
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Writes ``data`` through :func:`atomic_writer`."""
    with atomic_writer(path) as file:
        file.write(data)


@contextmanager
def atomic_writer(path: str | Path) -> Iterator[IO[bytes]]:
    """Opens a file that replaces ``path`` in one step, when it is whole.

    The data is on the disk before the name is. Missing parent folders are
    made. Permissions follow the umask, as with ``open``.

    Raises:
        OSError: If the folder cannot be written. An existing file keeps
            its old contents then, as with any error inside.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: it makes files that only their owner can read.
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.tmp')
    try:
        with temporary.open('xb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """A value as UTF-8 JSON with a newline at the end."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return f'{text}\n'.encode()


def write_json(
    path: str | Path, value: Any, indent: int | None = None
) -> None:
    """Writes a value as JSON through :func:`atomic_write_bytes`."""
    atomic_write_bytes(path, json_bytes(value, indent))


def read_json(path: str | Path, default: Any = None) -> Any:
    """Reads a JSON file; ``default`` if there is none."""
    path = Path(path)
    return json.loads(path.read_bytes()) if path.is_file() else default


def lock_file(file: IO, *, wait: bool) -> bool:
    """Locks an open file against other processes, until it is closed.

    The lock ends with the process, however that ends.

    Returns:
        bool: False if another process holds it and ``wait`` is False.

    Raises:
        OSError: The file system has no locks.
    """
    # Not at the top: converting a data set works without it, on Windows too.
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def torch_bytes(obj: Any) -> bytes:
    """What ``torch.save`` would write. Equal objects give equal bytes."""
    # Not at the top: tools that write JSON start without torch.
    import torch

    buffer = io.BytesIO()
    torch.save(obj, buffer)
    return buffer.getvalue()


def atomic_torch_save(obj: Any, path: str | Path) -> None:
    """``torch.save`` through :func:`atomic_write_bytes`."""
    atomic_write_bytes(path, torch_bytes(obj))
