"""How the run went: time per stage, and the commands."""

from pathlib import Path
from typing import Any

from ..engine.run_record import FILE
from ..engine.submission import RECORD
from ..engine.training import STAGE_FILE
from ..utils.fileio import read_json
from .blocks import Block, Code, Note, Table
from .logs import log_seconds
from .run_files import RunFiles

_FROM_LOG = 'first to last line of its logs'


def time_part(run: RunFiles) -> list[Block]:
    """Minutes of each stage."""
    rows: list[list[Any]] = []
    recorded = {row['name']: row for row in run.record.get('stages', ())}
    logs: dict[str, list[Path]] = dict(
        generator=[run.generator] if run.generator else [],
        bank=[],
        backbone=[run.backbone] if run.backbone else [],
        teacher=sorted(run.scenes.glob('teachers/*')) if run.scenes else [],
    )
    for name, folders in logs.items():
        row = recorded.get(name, {})
        seconds, source = row.get('seconds'), 'measured'
        if seconds is None:
            seconds, source = log_seconds(folders), _FROM_LOG
        if row or seconds is not None:
            known = source if seconds is not None else 'not recorded'
            rows.append([name, row.get('state', ''), _minutes(seconds), known])
    if run.detector is not None:
        seconds = log_seconds([run.detector])
        state = read_json(run.detector / STAGE_FILE, {})
        ended = 'finished' if state.get('finished') else 'not finished'
        known = _FROM_LOG if seconds is not None else 'not begun'
        rows.append(['detector', ended, _minutes(seconds), known])
    if not rows:
        return [Note('No log or record says how long anything took.')]
    head = ['stage', 'state', 'minutes', 'from']
    return [Table('Time of each stage', head, rows, digits=2)]


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 60


def commands_part(run: RunFiles) -> list[Block]:
    """What was started, and what makes each stage by itself."""
    blocks: list[Block] = []
    if run.record:
        blocks.append(Code('This run', [run.record['command']]))
        stages = [row['command'] for row in run.record['stages']]
        blocks.append(Code('Its stages, one by one', stages))
    else:
        text = f'The command was not recorded: no {FILE}.'
        blocks.append(Note(text))
    tests = [read_json(f / RECORD) for f in run.submissions]
    commands = [test['command'] for test in tests if test.get('command')]
    if commands:
        blocks.append(Code('Tests', commands))
    return blocks
