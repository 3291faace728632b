"""Wall time of each stage of a run."""

import time
from pathlib import Path

from mmengine.config import Config

from ..utils.fileio import read_json, write_json


class Stopwatch:
    """Adds up the wall time of each stage, also across restarts of a run.

    Times of stages that runs share are kept in the stages' folder.
    """

    def __init__(self, folder: Path, cfg: Config) -> None:
        self.own = folder / 'seconds.json'
        root = cfg.get('stages', {}).get('root')
        self.shared = self.own if root is None else Path(root) / 'seconds.json'
        self.stage: str | None = None
        self.start = 0.0

    def __enter__(self) -> None:
        self._switch('detector')

    def __exit__(self, *_: object) -> None:
        self._switch(None)

    def line(self, line: str) -> None:
        """Reads the stage from a log line of ``tools/train.py``."""
        if line.startswith('stage ') and ': making ' in line:
            self._switch(line.split(', ', 1)[1].split(':')[0])
        elif line.startswith('all stages are ready'):
            self._switch('detector')

    def reset(self) -> None:
        """Forgets the detector's time: it is trained afresh."""
        self.own.unlink(missing_ok=True)

    def _switch(self, stage: str | None) -> None:
        now = time.monotonic()
        if self.stage is not None:
            file = self.own if self.stage == 'detector' else self.shared
            seconds = read_json(file, {})
            spent = now - self.start
            seconds[self.stage] = seconds.get(self.stage, 0) + spent
            write_json(file, seconds)
        self.stage, self.start = stage, now

    def seconds(self) -> dict[str, float]:
        """Seconds by stage."""
        return {**read_json(self.shared, {}), **read_json(self.own, {})}
