"""The report of a conversion: findings, counts, groups, and its text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..utils.errors import InputError

# Findings of each kind that the text lists.
_SHOWN = 3

# Every kind of finding: what it means and what was done about it.
KINDS = dict(
    filename_differs='the annotation names another image; paired by the '
    'name of the annotation file',
    size_differs='size in the annotation is not that of the image; the '
    'image counts',
    paired_across_splits='image and annotation are in different splits; '
    'paired',
    renamed_image='different images of one name; parent folders added',
    identical_copy='same name and contents as another image; left out',
    image_without_xml='no annotation of the image; listed as unlabeled',
    xml_without_image='no image of the annotation; left out',
    xml_without_objects='no objects in the annotation; kept as defect-free',
    no_usable_objects='all objects were dropped; listed as unlabeled, '
    'since the image is not defect-free',
    unreadable_image='empty file or no image; left out',
    broken_xml='annotation cannot be read; its image is listed as unlabeled',
    image_without_mask='no mask of the image, which is in a folder of '
    'defects; listed as unlabeled',
    mask_without_image='no image of the mask; left out',
    broken_mask='mask cannot be used; its image is listed as unlabeled',
    mask_size_differs='mask is not of the size of its image, which is listed '
    'as unlabeled',
    empty_mask='nothing is marked, but the folder is one of defects; image '
    'listed as unlabeled',
    marked_defect_free='something is marked, but the folder is one of '
    'defect-free images; image listed as unlabeled',
    speck='marked area below the minimum; dropped',
    duplicate_box='box repeated with the same class; dropped',
    clipped_box='box extends beyond the image; clipped',
    box_outside_image='box is outside the image; dropped',
    empty_box='box has no or negative extent; dropped',
    unusable_coordinates='coordinates missing or not numbers; box dropped',
    unknown_class='class not among those asked for; box dropped',
    class_not_found='class asked for that no annotation has',
    class_from_stem='object without class; taken from the name of the file',
    object_without_class='object without class; dropped',
    stray_file='file of another kind; ignored',
    large_group='near duplicates make up more than half of a class; the '
    'shares of the splits cannot be met',
    unlabeled_like_held_out='unlabeled image overlaps with one of val or '
    'test; do not pretrain on it if they are to stay unseen',
    unlisted_image='labeled image that none of the given lists names; in no '
    'split',
    near_duplicate_across_splits='image of val or test overlaps, directly or '
    'through others, with images of another split; kept there, as listed',
    given_split_unusable='the data set has a split, but none to train and '
    'test with; new splits drawn',
    image_without_split='labeled image that is in none of the given splits; '
    'left out of them',
)


@dataclass
class Report:
    """Findings and results of a conversion."""

    # Options that decide the outcome.
    options: dict[str, Any] = field(default_factory=dict)
    # For each list `classes` (images with the class, its boxes, and the groups
    # the images are from), `without_boxes`, `groups_without_boxes`, `images`,
    # `boxes` and `groups`.
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
    if 'splits' in report.options:
        parts.append(
            'The splits are those of the data set; --resplit or --ratio draws '
            'new ones.'
        )
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
