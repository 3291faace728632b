"""The table of an experiment, in Markdown."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.statistics import (
    bootstrap_interval,
    mean_and_error,
    paired_difference,
)
from ..utils.fileio import atomic_write_bytes
from .experiment import Experiment, Variant

# Records by variant and shots, then by seed.
Grouped = Mapping[tuple[str, int | str], Mapping[int, dict]]
# Variant, shots and records by seed.
Row = tuple[Variant, int | str, Mapping[int, dict]]

# Of a run, in the order in which they are made.
STAGES = ('generator', 'bank', 'backbone', 'teacher', 'detector')


def by_variant(records: Sequence[dict]) -> Grouped:
    """Groups records by variant and shots, then by seed."""
    found: dict = defaultdict(dict)
    for record in records:
        found[record['variant'], record['shots']][record['seed']] = record
    return found


def table(experiment: Experiment, records: Sequence[dict]) -> str:
    """Writes the tables of all finished runs.

    Returns:
        str: Markdown: AP with its standard error over seeds, paired
        differences from the reference, AP50 of each class, wall time.
    """
    found = by_variant(records)
    rows = [
        (variant, shots, found[variant.name, shots])
        for shots in experiment.all_shots()
        for variant in experiment.variants
        if (variant.name, shots) in found
    ]
    if not rows:
        return 'No run is measured yet.\n'
    images = ' or '.join(map(str, sorted({r['images'] for r in records})))
    classes = list(records[0]['classes'])
    took = {stage for record in records for stage in record['seconds']}
    stages = [stage for stage in STAGES if stage in took]

    def class_scores(row: Row) -> list:
        scores = [r['classes'] for r in row[2].values()]
        return [_mean([s[name]['AP50'] for s in scores]) for name in classes]

    def minutes(row: Row) -> list:
        took = [r['seconds'] for r in row[2].values()]
        return [_mean([t[s] / 60 for t in took if s in t]) for s in stages]

    averaged = (
        f' Scores are means over the last {experiment.checkpoints} '
        'checkpoints of a run.'
        if experiment.checkpoints > 1
        else ''
    )
    parts = [
        f'{len(records)} of {len(experiment.runs())} runs are measured, on '
        f'the {images} images of `{experiment.test_ann_file}`. Mean ± '
        'standard error over seeds; differences from '
        f'{experiment.reference} are paired by seed, with the 95 % interval '
        "of Student's t over seeds and, for these trained detectors, of a "
        'bootstrap over test images. Generator and contrastive pretraining '
        'read labels of the shots only, except in variants with †; '
        f'pretraining may use all training images without labels.{averaged}',
        _table(
            'seeds|AP50|AP|AP50 - reference|t over seeds|'
            'bootstrap over images',
            rows,
            lambda row: _scores(experiment, row, found),
        ),
        'AP50 by class:',
        _table('|'.join(classes), rows, class_scores),
        'Wall time of a run in minutes; stages that variants share were made '
        'once.',
        _table('|'.join(stages), rows, minutes),
    ]
    shown = {variant.name: variant for variant, _, _ in rows}.values()
    notes = [f'- {_named(v)}: {v.note}' for v in shown if v.note]
    if any(variant.own_schedule for variant in shown):
        notes.append('- \\*: with a schedule of its own')
    if any(variant.own_labels for variant in shown):
        notes.append('- †: reads more labels than those of the shots')
    if any(variant.own_method for variant in shown):
        notes.append('- ‡: another way to train the same detector')
    if any(variant.tta_of for variant in shown):
        notes.append('- §: tested with test-time augmentation, as --tta does')
    if notes:
        parts.append('\n'.join(notes))
    return '\n\n'.join(parts) + '\n'


def write_between_marks(file: Path, name: str, text: str) -> bool:
    """Replaces what is between ``<!-- begin name -->`` and ``end name``.

    Returns:
        bool: False, and nothing changed, where a Markdown file lacks them.
    """
    begin, end = f'<!-- begin {name} -->', f'<!-- end {name} -->'
    old = file.read_text(encoding='utf-8') if file.is_file() else ''
    before, found, rest = old.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        return False
    new = f'{before}{begin}\n{text}{end}{after}'
    atomic_write_bytes(file, new.encode())
    return True


def _named(variant: Variant) -> str:
    marks = '*' * variant.own_schedule + '†' * variant.own_labels
    marks += '‡' * variant.own_method + '§' * bool(variant.tta_of)
    return variant.name + marks


def _table(
    header: str, rows: Sequence[Row], cells: Callable[[Row], list]
) -> str:
    head = ['variant', 'images per class', *header.split('|')]
    lines: list[list] = [head, ['---'] * len(head)]
    for row in rows:
        lines.append([_named(row[0]), row[1], *cells(row)])
    return '\n'.join(f'| {" | ".join(map(str, x))} |' for x in lines)


def _mean(values: Sequence[float]) -> str:
    return f'{mean_and_error(values)[0]:.1f}' if values else ''


def _scores(experiment: Experiment, row: Row, found: Grouped) -> list:
    variant, shots, seeds = row
    cells: list[Any] = [len(seeds)]
    for key in ('AP50', 'AP'):
        mean, error = mean_and_error([r[key] for r in seeds.values()])
        spread = '' if error is None else f' ± {error:.1f}'
        cells.append(f'{mean:.1f}{spread}')
    against = found.get((experiment.reference, shots), {})
    if (
        variant.name == experiment.reference
        or not seeds.keys() & against.keys()
    ):
        return [*cells, '', '', '']
    pair = paired_difference(
        {s: r['AP50'] for s, r in seeds.items()},
        {s: r['AP50'] for s, r in against.items()},
    )
    low, high = bootstrap_interval(
        {s: r['bootstrap']['AP50'] for s, r in seeds.items()},
        {s: r['bootstrap']['AP50'] for s, r in against.items()},
    )
    t = '' if pair.low is None else f'{pair.low:+.1f} … {pair.high:+.1f}'
    return [*cells, f'{pair.mean:+.1f}', t, f'{low:+.1f} … {high:+.1f}']
