"""The report of a conversion: findings, counts, groups, and its text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..utils.errors import InputError
from .findings import KINDS
from .splits import SPLITS

# Findings of each kind that the text lists.
_SHOWN = 3


@dataclass
class Report:
    """Findings and results of a conversion."""

    # Options that decide the outcome.
    options: dict[str, Any] = field(default_factory=dict)
    # For each list `classes` (images with the class, its boxes without crowd
    # regions, and the groups the images are from), `without_boxes`,
    # `groups_without_boxes`, `images`, `boxes` and `groups`.
    counts: dict[str, Any] = field(default_factory=dict)
    # Groups of two and more near duplicates, or images that `group_by` says
    # belong together: how many `groups`, how many `images` they hold, the five
    # `largest` with their size, splits and members. Also how many the splits
    # separate (`parted`) and, for each pair of splits, how many images of val
    # or test are in a group with one of the other split (`across`), unless
    # there was nothing to group by.
    groups: dict[str, Any] = field(default_factory=dict)
    # File and detail of each finding, by kind.
    findings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def add(self, kind: str, file: str, detail: str = '') -> None:
        """Adds a finding of one of ``KINDS`` about a file."""
        assert kind in KINDS, kind
        self.findings.setdefault(kind, []).append((file, detail))

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON, with the complete list of files."""
        return dict(
            options=self.options,
            counts=self.counts,
            near_duplicates=self.groups,
            findings={
                kind: dict(
                    meaning=meaning,
                    count=len(self.findings[kind]),
                    files=len({file for file, _ in self.findings[kind]}),
                    entries=[
                        dict(file=file, detail=detail)
                        for file, detail in self.findings[kind]
                    ],
                )
                for kind, meaning in KINDS.items()
                if kind in self.findings
            },
        )


class FindingsError(InputError):
    """A data set that is converted in strict mode has findings."""

    def __init__(self, report: Report) -> None:
        self.report = report
        count = sum(map(len, report.findings.values()))
        super().__init__(
            f'{count} findings in strict mode; nothing was written. Fix '
            'them, or convert without strict'
        )


def format_report(report: Report) -> str:
    """Counts, groups and findings, the first of each kind, as text."""
    parts = [_format_counts(report)]
    empty = [key for key in SPLITS if not report.counts[key]['images']]
    missing = f'{" and ".join(empty)} images' if empty else ''
    if 'splits' in report.options:
        lacks = missing and f', without {missing}'
        parts.append(
            f'The splits are those of the data set{lacks}; --resplit or '
            '--ratio draws new ones.'
        )
    elif missing:
        parts.append(f'There are no {missing}.')
    parts += [_format_groups(report), _format_findings(report)]
    return '\n\n'.join(parts)


def _format_counts(report: Report) -> str:
    lists = list(report.counts.values())
    rows = [['images / boxes', *report.counts]]
    for name in report.options['classes']:
        cells = [entry['classes'][name] for entry in lists]
        rows.append(
            [name, *(f'{cell["images"]} / {cell["boxes"]}' for cell in cells)]
        )
    rows.append(
        ['(no boxes)', *(str(entry['without_boxes']) for entry in lists)]
    )
    rows.append(
        ['all', *(f'{entry["images"]} / {entry["boxes"]}' for entry in lists)]
    )
    return '\n'.join(_table(rows))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    first, *others = [max(map(len, column)) for column in zip(*rows)]
    return [
        '  '.join([row[0].ljust(first), *map(str.rjust, row[1:], others)])
        for row in rows
    ]


def is_grouped(report: Report) -> bool:
    """Whether there was anything to group images by."""
    options = report.options
    return options['group_near_duplicates'] or 'group_by' in options


def _format_groups(report: Report) -> str:
    if not is_grouped(report):
        return 'Near duplicates were not searched for.'
    groups = report.groups
    splits = 'each within one split.'
    if groups['parted']:
        given = 'given splits' if 'splits' in report.options else 'lists'
        splits = f'of which the {given} separate {groups["parted"]}:'
    what = 'Near duplicates'
    if not report.options['group_near_duplicates']:
        what = 'Near duplicates were not searched for. By name'
    lines = [
        f'{what}: {groups["images"]} images in {groups["groups"]} groups, '
        f'{splits}'
    ]
    if groups['parted']:
        lines += [*_format_across(report), 'The largest groups:']
    lines.extend(
        f'  {entry["size"]:>5} images with {entry["images"][0]} '
        f'({", ".join(entry["splits"])})'
        for entry in groups['largest']
    )
    if groups['groups']:
        lines += ['', *_format_group_counts(report)]
    return '\n'.join(lines)


def _format_group_counts(report: Report) -> list[str]:
    """How many different places or parts each list shows."""
    lists = list(report.counts.values())
    rows = [['groups and single images', *report.counts]]
    for name in report.options['classes']:
        rows.append(
            [name, *(str(entry['classes'][name]['groups']) for entry in lists)]
        )
    for label, key in (
        ('(no boxes)', 'groups_without_boxes'),
        ('all', 'groups'),
    ):
        rows.append([label, *(str(entry[key]) for entry in lists)])
    return _table(rows)


def _format_across(report: Report) -> list[str]:
    lines = []
    for pair, counts in report.groups['across'].items():
        for split, count in counts.items():
            (other,) = set(pair.split('_')) - {split}
            total = report.counts[split]['images']
            if total and report.counts[other]['images']:
                lines.append(
                    f'  {count:>5} of {total} {split} images in a group with '
                    f'one of {other}'
                )
    return lines


def _format_findings(report: Report) -> str:
    findings = report.to_dict()['findings']
    if not findings:
        return 'Findings: none.'
    lines = ['Findings:']
    for kind, entry in findings.items():
        lines.append(f'  {entry["count"]:>5} {kind}: {entry["meaning"]}')
        for item in entry['entries'][:_SHOWN]:
            detail = f': {item["detail"]}' if item['detail'] else ''
            lines.append(f'          {item["file"]}{detail}')
        if entry['count'] > _SHOWN:
            lines.append(f'          and {entry["count"] - _SHOWN} more')
    return '\n'.join(lines)
