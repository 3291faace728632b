"""Several processes may share a plan, but never a cell or a stage.

A lock goes with the process that holds it, however that ends.
"""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..atomic_write import atomic_write_bytes
from .plan import Plan


def claim_work_dir(plan: Plan) -> None:
    """Keeps other plans out of the work folder.

    Args:
        plan (Plan): The plan.

    Raises:
        ValueError: The folder is another plan's.
    """
    plan.work_dir.mkdir(parents=True, exist_ok=True)
    owner = plan.work_dir / 'plan.json'
    name = plan.file.stem
    if owner.is_file():
        found = json.loads(owner.read_bytes())['plan']
        if found != name:
            msg = (
                f'{plan.work_dir} is the work folder of the plan {found}; '
                f'give {plan.file} another work_dir'
            )
            raise ValueError(msg)
    atomic_write_bytes(owner, json.dumps(dict(plan=name)).encode())


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
