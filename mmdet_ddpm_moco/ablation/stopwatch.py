"""How long each stage of a run takes."""

import time
from pathlib import Path

from mmengine.config import Config

from ..utils.fileio import read_json, write_json


class Stopwatch:
    """Wall time of each stage of a run, over all of its runs.

    Stages that runs share keep theirs in the folder that they share.

    Args:
        folder (Path): The run's.
        cfg (Config): Its detector.
    """

    def __init__(self, folder: Path, cfg: Config) -> None:
        self.own = folder / 'seconds.json'
        root = cfg.get('stages', {}).get('root')
        self.shared = None if root is None else Path(root) / 'seconds.json'
        self.now: str | None = None

    def __enter__(self) -> None:
        self._switch('detector')

    def __exit__(self, *_: object) -> None:
        self._switch(None)

    def line(self, line: str) -> None:
        """Hears what tools/train.py says of its stages."""
        if line.startswith('stage ') and ': making ' in line:
            self._switch(line.split(', ', 1)[1].split(':')[0])
        elif line.startswith('all stages are ready'):
            self._switch('detector')

    def _switch(self, name: str | None) -> None:
        now = time.monotonic()
        if self.now is not None:
            file = self.own if self.now == 'detector' else self.shared
            seconds = _read_seconds(file)
            seconds[self.now] = seconds.get(self.now, 0) + now - self.began
            write_json(file, seconds)
        self.now, self.began = name, now

    def seconds(self) -> dict[str, float]:
        """Seconds by stage."""
        return {**_read_seconds(self.shared), **_read_seconds(self.own)}


def _read_seconds(file: Path | None) -> dict[str, float]:
    return {} if file is None else read_json(file, {})
