"""What MMEngine wrote about a run: scalars and logs."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

Scalars = list[dict[str, Any]]
Points = list[tuple[float, float]]

_STAMP = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - mmengine - ')
_START = re.compile(r'\d{8}_\d{6}')
# MMEngine's own words.
_MODE = re.compile(r'\((train|test)\) +\[')
_RESUMED = 'resumed epoch: '


def run_folders(work_dir: Path) -> list[Path]:
    """The folders ``<time>`` of the last training, one for each start.

    An earlier training in the same work folder, which this one does not
    resume, and tests, which share it, are left out.
    """
    starts: list[Path] = []
    for folder in sorted(work_dir.glob('*')):
        if not _START.fullmatch(folder.name):
            continue
        text = ''.join(
            file.read_text(errors='replace') for file in folder.glob('*.log')
        )
        modes = set(_MODE.findall(text))
        if modes == {'test'}:
            continue
        if 'train' in modes and _RESUMED not in text:
            starts = []
        starts.append(folder)
    return starts


def read_scalars(work_dir: Path) -> Scalars:
    """All scalars of the last training, oldest first.

    A line that a kill cut short is left out.
    """
    rows = []
    for folder in run_folders(work_dir):
        # MMEngine writes the same lines to <time>.json.
        for file in sorted(folder.glob('vis_data/*.json'))[-1:]:
            for line in file.read_text(errors='replace').splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                if isinstance(row, dict):
                    rows.append(row)
    return rows


def curve(rows: Scalars, key: str) -> Points:
    """Values of a scalar by training iteration.

    Of an iteration that several starts made, the last value counts.
    MMEngine gives a validation the number of its epoch, which is 0 for a
    training without epochs: its iteration is that of the training before.
    """
    values: dict[float, float] = {}
    iteration = 0.0
    for row in rows:
        if 'loss' in row or 'lr' in row:
            iteration = _number(row.get('step')) or iteration
        elif _number(row.get('step')):
            iteration = max(iteration, _number(row['step']) or 0.0)
        value = _number(row.get(key))
        if value is not None:
            values[iteration] = value
    return sorted(values.items())


def keys_of(rows: Scalars) -> list[str]:
    """Names of all scalars, in the order in which they appeared."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def log_lines(work_dir: Path) -> Iterator[str]:
    """Lines of MMEngine's logs of the last training, oldest first."""
    for folder in run_folders(work_dir):
        for file in sorted(folder.glob('*.log')):
            yield from file.read_text(errors='replace').splitlines()


def log_seconds(work_dirs: Sequence[Path]) -> float | None:
    """Seconds from the first to the last line of each log, added."""
    total, any_found = 0.0, False
    for work_dir in work_dirs:
        for folder in run_folders(work_dir):
            for file in folder.glob('*.log'):
                text = file.read_text(errors='replace')
                stamps = [
                    datetime.strptime(found[1], '%Y/%m/%d %H:%M:%S')
                    for found in map(_STAMP.match, text.splitlines())
                    if found
                ]
                if stamps:
                    any_found = True
                    total += (stamps[-1] - stamps[0]).total_seconds()
    return total if any_found else None
