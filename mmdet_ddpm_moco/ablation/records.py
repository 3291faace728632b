"""Finished runs, one json line each.

A line is written in one piece when its run is finished, and carries a digest
of itself: half a line, or one that was edited, is no result.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from .experiment import Experiment


def claim_work_dir(experiment: Experiment) -> None:
    """Keeps other experiments out of the work folder.

    Args:
        experiment (Experiment): The experiment.

    Raises:
        ValueError: The folder is another experiment's.
    """
    experiment.work_dir.mkdir(parents=True, exist_ok=True)
    owner = experiment.work_dir / 'experiment.json'
    name = experiment.file.stem
    if owner.is_file():
        found = json.loads(owner.read_bytes())['experiment']
        if found != name:
            msg = (
                f'{experiment.work_dir} is the work folder of the experiment {found}; '
                f'give {experiment.file} another work_dir'
            )
            raise InputError(msg)
    atomic_write_bytes(owner, json.dumps(dict(experiment=name)).encode())


@contextmanager
def alone(folder: Path, names: Sequence[str]) -> Iterator[bool]:
    """Takes locks, all or none, without waiting.

    Args:
        folder (Path): Where the locks lie.
        names (Sequence[str]): Their names.

    Yields:
        bool: Whether no other process has one of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        free = True
        try:
            for name in names:
                file = held.enter_context((folder / name).open('w'))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
            held.close()
        yield free


def _digest(record: dict) -> str:
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def append_record(path: Path, record: dict) -> None:
    """Adds a line; on the disk when this returns.

    Args:
        path (Path): The file, made if it is missing.
        record (dict): JSON types.
    """
    line = json.dumps(dict(record, digest=_digest(record)), sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a+b') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # What a kill left unfinished must not swallow this line.
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b'\n':
                line = '\n' + line
        file.write((line + '\n').encode())
        file.flush()
        os.fsync(file.fileno())


def read_records(path: Path) -> tuple[list[dict], list[str]]:
    """Reads all whole lines.

    Args:
        path (Path): The file; one that is missing holds nothing.

    Returns:
        tuple[list[dict], list[str]]: The records, and a sentence about each
        line that is none.
    """
    records, problems = [], []
    text = path.read_text(encoding='utf-8') if path.is_file() else ''
    for number, line in enumerate(text.split('\n'), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            digest = record.pop('digest')
            whole = digest == _digest(record)
        except (ValueError, KeyError, AttributeError, TypeError):
            whole = False
        if whole:
            records.append(record)
        else:
            problems.append(
                f'line {number} of {path} is cut or changed and does not '
                'count; its run is measured again'
            )
    return records, problems
