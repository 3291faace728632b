"""Which stages a training made before the detector, and how long it took.

Kept in the detector's work folder and written at every step, so that it is
there after a crash: a stage that is still ``making`` did not end.
"""

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import master_only

from ..utils.fileio import read_json, write_json
from .stage import Stage

FILE = 'run_record.json'
WAITING, MAKING, MADE, REUSED = 'waiting', 'making', 'made', 'reused'


def read_run_record(work_dir: str | Path) -> dict[str, Any]:
    """The record of a work folder, {} without one that can be read."""
    try:
        return read_json(Path(work_dir) / FILE, {})
    except ValueError:
        return {}


class RunRecord:
    """Writes ``run_record.json``, on the main process.

    It has ``command`` and ``config`` (str), and of each of ``stages`` its
    ``name``, ``output``, ``command``, ``state`` and ``seconds`` (None where
    not known). A stage that is reused keeps its seconds.

    Args:
        cfg (Config): Of the detector, with ``work_dir``.
        stages (Sequence[Stage]): In their order.
    """

    def __init__(self, cfg: Config, stages: Sequence[Stage]) -> None:
        self._file = Path(cfg.work_dir) / FILE
        before = {
            (row['name'], row['output']): row['seconds']
            for row in read_run_record(cfg.work_dir).get('stages', ())
        }
        self._record: dict[str, Any] = dict(
            command=shlex.join(['python', *sys.argv]),
            config=str(cfg.filename),
            stages=[
                dict(
                    name=stage.name,
                    output=str(stage.output),
                    command=stage.command,
                    state=WAITING,
                    seconds=before.get((stage.name, str(stage.output))),
                )
                for stage in stages
            ],
        )
        self._began = 0.0
        self._write()

    def begin(self, number: int) -> None:
        """Stage ``number``, from 0, is being made."""
        self._began = time.monotonic()
        self._set(number, MAKING, None)

    def end(self, number: int) -> None:
        """Stage ``number`` is made."""
        self._set(number, MADE, round(time.monotonic() - self._began, 1))

    def reuse(self, number: int) -> None:
        """Stage ``number`` is up to date."""
        stage = self._record['stages'][number]
        self._set(number, REUSED, stage['seconds'])

    def _set(self, number: int, state: str, seconds: float | None) -> None:
        self._record['stages'][number].update(state=state, seconds=seconds)
        self._write()

    @master_only
    def _write(self) -> None:
        write_json(self._file, self._record, indent=1)
