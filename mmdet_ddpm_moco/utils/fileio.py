"""Writing a file so that it is there whole or not at all.

A stage that is killed while it writes must not leave half a file under a
name that the next stage takes for finished.
"""

import io
import os
import uuid
from pathlib import Path
from typing import Any


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``, replacing the file in one step.

    The bytes go to a file beside it first and reach the disk before the
    name does. Missing parent folders are made. Permissions follow the
    umask, as with ``open``.

    Args:
        path (str | Path): The file to write.
        data (bytes): Its whole contents.

    Raises:
        OSError: If the folder cannot be written. An existing file keeps
            its old contents then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: it makes files that only their owner can read.
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.tmp')
    try:
        with temporary.open('xb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def torch_bytes(obj: Any) -> bytes:
    """What ``torch.save`` would write. Equal objects give equal bytes.

    Args:
        obj (Any): What ``torch.save`` takes.

    Returns:
        bytes: The contents of the file.
    """
    # Not at the top: tools that write json start without torch.
    import torch

    buffer = io.BytesIO()
    torch.save(obj, buffer)
    return buffer.getvalue()


def atomic_torch_save(obj: Any, path: str | Path) -> None:
    """``torch.save`` through :func:`atomic_write_bytes`.

    Args:
        obj (Any): What ``torch.save`` takes.
        path (str | Path): The file to write.

    Raises:
        OSError: If the folder cannot be written.
    """
    atomic_write_bytes(path, torch_bytes(obj))
