"""Results of a check: written line by line, and read again by a resumed one.

``results.jsonl`` holds one JSON object per line, in the order of time:
``kind='row'`` is one figure or comparison, ``kind='part'`` the end of a part.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

PASSED, FAILED, NOT_RUN = 'passed', 'failed', 'not run'


@dataclass(frozen=True)
class Row:
    """One figure or comparison.

    Attributes:
        part (str): The part that it belongs to.
        name (str): What was measured or compared.
        value (float | str | None): The figure; None if it was not measured.
        unit (str): Its unit.
        how (str): Sizes, number of steps, or why there is no figure.
        ok (bool | None): Whether a comparison holds; None for a figure.
    """

    part: str
    name: str
    value: float | str | None
    unit: str = ''
    how: str = ''
    ok: bool | None = None


class Results:
    """The results in a folder.

    Args:
        folder (Path): Made if it is missing.
        screen (TextIO, optional): Where rows are printed, too.
    """

    def __init__(self, folder: Path, screen: TextIO | None = None) -> None:
        self.folder = folder
        self.file = folder / 'results.jsonl'
        self.screen = screen
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, row: Row) -> None:
        """Writes a row at once."""
        self._append(dict(kind='row', **asdict(row)))
        mark = {None: ' ', True: '+', False: '!'}[row.ok]
        self.say(f' {mark} {row.name}: {shown(row)}  {row.how}'.rstrip())

    def end_part(
        self, part: str, state: str, seconds: float, error: str = ''
    ) -> None:
        """Writes how a part ended."""
        self._append(
            dict(
                kind='part',
                part=part,
                state=state,
                seconds=round(seconds, 1),
                error=error,
            )
        )

    def say(self, text: str) -> None:
        """Prints a line."""
        if self.screen is not None:
            print(text, file=self.screen, flush=True)

    def lines(self) -> list[dict]:
        """All lines; one that a killed process left unfinished is skipped."""
        if not self.file.exists():
            return []
        found = []
        for line in self.file.read_text(encoding='utf-8').splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def parts(self) -> dict[str, dict]:
        """The newest end of each part."""
        return {x['part']: x for x in self.lines() if x['kind'] == 'part'}

    def rows(self, part: str) -> list[dict]:
        """Rows of a part: of its newest run, if that has written any."""
        runs: list[list[dict]] = [[]]
        for line in self.lines():
            if line.get('part') != part:
                continue
            if line['kind'] == 'row':
                runs[-1].append(line)
            elif runs[-1]:
                runs.append([])
        return next((run for run in reversed(runs) if run), [])

    def _append(self, line: dict) -> None:
        line['time'] = time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())
        with self.file.open('a+b') as file:
            # After a line that a killed process left unfinished.
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b'\n':
                    file.write(b'\n')
            file.write((json.dumps(line) + '\n').encode())
            file.flush()
            os.fsync(file.fileno())


def shown(row: Row) -> str:
    """The value of a row, as it is printed."""
    if row.value is None:
        return 'not run'
    if isinstance(row.value, str):
        return row.value
    number = f'{row.value:.4g}'
    if 'e' in number and 1e-3 < abs(row.value) < 1e9:
        number = f'{row.value:.0f}'
    return f'{number} {row.unit}'.rstrip()


def write_report(results: Results, order: Sequence[str]) -> Path:
    """Writes ``report.md``: a table for each part.

    Args:
        results (Results): What was found.
        order (Sequence[str]): Names of the parts.

    Returns:
        Path: The file.
    """
    headers = [x for x in results.lines() if x['kind'] == 'header']
    text = ['# GPU check', '']
    if headers:
        newest = headers[-1]
        text += [
            f'{newest["device"]}, {newest["machine"]}; commit '
            f'{newest["commit"]}; begun {headers[0]["time"]} UTC.',
            f'Command: `{newest["command"]}`',
            '',
        ]
    ended = results.parts()
    for part in order:
        end = ended.get(part, dict(state=NOT_RUN, seconds=0, error=''))
        text += [f'## {part}: {end["state"]} ({end["seconds"]:.0f} s)', '']
        if end['error']:
            text += ['```', end['error'].rstrip(), '```', '']
        rows = results.rows(part)
        if rows:
            text += ['| what | value | how | |', '|---|---:|---|---|']
        for line in rows:
            row = Row(**{k: line[k] for k in Row.__dataclass_fields__})
            ok = {None: '', True: 'holds', False: '**FAILS**'}[row.ok]
            text.append(f'| {row.name} | {shown(row)} | {row.how} | {ok} |')
        text += [''] * bool(rows)
    file = results.folder / 'report.md'
    file.write_text('\n'.join(text), encoding='utf-8')
    return file
