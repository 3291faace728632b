"""Records of finished runs, one line of JSON each.

A line is appended when its run is finished, and holds a digest of itself: a
line that is incomplete or was edited does not count.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..utils.errors import InputError
from ..utils.fileio import lock_file, read_json, write_json
from .experiment import Experiment


def claim_work_dir(experiment: Experiment) -> None:
    """Keeps other experiments out of the work folder.

    Raises:
        ValueError: The folder belongs to another experiment.
    """
    owner = experiment.work_dir / 'experiment.json'
    mine = dict(experiment=experiment.file.stem)
    found = read_json(owner, mine)
    if found != mine:
        msg = (
            f'{experiment.work_dir} is the work folder of the experiment '
            f'{found["experiment"]}; give {experiment.file} another work_dir'
        )
        raise InputError(msg)
    write_json(owner, mine)


@contextmanager
def try_locks(folder: Path, names: Sequence[str]) -> Iterator[bool]:
    """Takes the locks of files in a folder, all or none, without waiting.

    Yields:
        bool: Whether no other process holds one of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        free = all(
            lock_file(
                held.enter_context((folder / name).open('w')), wait=False
            )
            for name in names
        )
        if not free:
            held.close()
        yield free


def _digest(record: dict) -> str:
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def append_record(path: Path, record: dict) -> None:
    """Appends a record of JSON types as a line.

    The line is on the disk when this returns.
    """
    line = json.dumps(dict(record, digest=_digest(record)), sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a+b') as file:
        lock_file(file, wait=True)
        # This line must not be appended to one that a kill cut short.
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b'\n':
                line = '\n' + line
        file.write((line + '\n').encode())
        file.flush()
        os.fsync(file.fileno())


def read_records(path: Path) -> tuple[list[dict], list[str]]:
    """Reads all valid lines; none if there is no file.

    Returns:
        tuple[list[dict], list[str]]: The records, and a message for each
        invalid line.
    """
    records, problems = [], []
    text = path.read_text(encoding='utf-8') if path.is_file() else ''
    for number, line in enumerate(text.split('\n'), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            digest = record.pop('digest')
            valid = digest == _digest(record)
        except (ValueError, KeyError, AttributeError, TypeError):
            valid = False
        if valid:
            records.append(record)
        else:
            problems.append(
                f'line {number} of {path} is incomplete or was edited; its '
                'run is measured again'
            )
    return records, problems
