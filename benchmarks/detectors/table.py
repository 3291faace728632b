"""The table of detectors, written between two marks of a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mmdet
import torch

from benchmarks.detectors.stock import STOCK
from mmdet_ddpm_moco.utils.requirements import module_version

MARKS = '<!-- begin detectors -->', '<!-- end detectors -->'
OUTCOMES = dict(
    both='bank and weights',
    bank='bank alone',
    refused='refused',
    missing='not tried',
    error='**fails**',
)


def write_table(rows: Mapping[str, Mapping[str, Any]], page: Path) -> None:
    """Writes the stock configs' outcomes.

    Args:
        rows (Mapping): By config, as ``check`` returns them.
        page (Path): Has the marks, each on a line.
    """
    lines = [
        f'With mmdet {mmdet.__version__}, mmengine '
        f'{module_version("mmengine")}, torch {torch.__version__}, on a CPU:',
        '',
        '| what | config | runs with | remark |',
        '| --- | --- | --- | --- |',
    ]
    for what, config in STOCK:
        row = rows.get(config)
        if row is None:
            lines.append(f'| {what} | `{config}` | not tried | |')
            continue
        remark = '; '.join(filter(None, [row['why'], *row['notes']]))
        remark = remark.replace('|', '\\|')
        outcome = OUTCOMES[row['outcome']]
        lines.append(f'| {what} | `{config}` | {outcome} | {remark} |')
    text = page.read_text()
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    table = '\n'.join([MARKS[0], '', *lines, '', MARKS[1]])
    page.write_text(before + table + after)
