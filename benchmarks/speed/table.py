"""Measured speeds, as a table in Markdown and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmdet_ddpm_moco.utils.fileio import atomic_write_bytes


@dataclass(frozen=True)
class Row:
    """A measured quantity.

    Attributes:
        part (str): Part of the benchmark.
        what (str): Name of the quantity.
        value (float | None): In ``unit``; None where it could not be
            measured for the reason in ``how``.
        unit (str): ``'x'`` for a ratio, ``''`` for a plain number.
        how (str): Repeats, sizes.
        least (float | None): Target: the value should not be below.
        most (float | None): Target: the value should be below.
    """

    part: str
    what: str
    value: float | None
    unit: str
    how: str
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a value or a target."""
        if self.value is None or (self.least is None and self.most is None):
            return None
        if self.least is not None:
            return self.value >= self.least
        return self.value < self.most

    @property
    def target(self) -> str:
        """The target, and whether it is met, in words."""
        if self.least is None and self.most is None:
            return ''
        words = {True: ', met', False: ', missed', None: ''}[self.met]
        if self.least is not None:
            return f'at least {self.least:g}{words}'
        return f'below {self.most:g}{words}'


def speed_table(rows: Sequence[Row], setting: Mapping[str, object]) -> str:
    """Writes the table.

    Args:
        rows (Sequence[Row]): In the order of the table.
        setting (Mapping[str, object]): Sizes, machine and versions.

    Returns:
        str: Markdown.
    """
    lines = [
        '; '.join(f'{key} {value}' for key, value in setting.items()) + '.',
        '',
        '| part | measured | value | target | how |',
        '| --- | --- | --- | --- | --- |',
    ]
    for row in rows:
        cells = (row.part, row.what, _value(row), row.target, row.how)
        # A reason may be any library's message.
        lines.append(
            '| ' + ' | '.join(c.replace('|', '/') for c in cells) + ' |'
        )
    return '\n'.join(lines) + '\n'


def speed_json(rows: Sequence[Row], setting: Mapping[str, object]) -> dict:
    """The same as JSON types."""
    return dict(
        setting=dict(setting),
        rows=[
            dict(
                part=row.part,
                measured=row.what,
                value=row.value,
                unit=row.unit,
                how=row.how,
                least=row.least,
                most=row.most,
                met=row.met,
            )
            for row in rows
        ],
    )


def _value(row: Row) -> str:
    if row.value is None:
        return '-'
    # Three digits, but no 1.23e+03.
    digits = '.0f' if abs(row.value) >= 1000 else '.3g'
    return f'{row.value:{digits}} {row.unit}'.rstrip()


def write_speeds(
    rows: Sequence[Row], setting: Mapping, out: str | None
) -> None:
    """Prints the table; writes the json if a file is named."""
    print(speed_table(rows, setting))
    if out:
        text = json.dumps(speed_json(rows, setting), indent=1) + '\n'
        atomic_write_bytes(out, text.encode())
