"""The table of a benchmark, in Markdown."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..utils.fileio import atomic_write_bytes
from .experiment import Experiment, Variant
from .statistics import bootstrap_interval, mean_and_error, paired_difference

By = Mapping[tuple[str, int], Mapping[int, dict]]


def by_variant(records: Sequence[dict]) -> By:
    """Records by variant and shots, then by seed."""
    found: dict = defaultdict(dict)
    for record in records:
        found[record['variant'], record['shots']][record['seed']] = record
    return found


def table(experiment: Experiment, records: Sequence[dict]) -> str:
    """Draws up the table of all finished runs.

    Args:
        experiment (Experiment): The experiment.
        records (Sequence[dict]): Its records.

    Returns:
        str: Markdown: AP with its standard error over seeds, differences
        from the reference in pairs, AP50 of each class, wall time.
    """
    found = by_variant(records)
    rows = [
        (variant, shots, found[variant.name, shots])
        for shots in experiment.shots
        for variant in experiment.variants
        if (variant.name, shots) in found
    ]
    if not rows:
        return 'No run is measured yet.\n'
    images = sorted({r['images'] for r in records})
    done, asked = len(records), len(experiment.runs())
    parts = [
        f'{done} of {asked} runs are measured, on the '
        f'{" or ".join(map(str, images))} images of `{experiment.score}`. Mean ± '
        f'standard error over seeds; differences from {experiment.reference} are '
        "paired by seed, with the 95 % interval of Student's t over seeds "
        'and, taking the detectors as they are, of a bootstrap over test '
        'images. Generator and labels see the shots only, but for variants with '
        '†; contrast may see the whole training part without its labels.',
        _scores(experiment, rows, found),
        'AP50 by class:',
        _classes(rows),
        'Wall time of a run in minutes; stages that variants share were made '
        'once.',
        _times(rows),
    ]
    shown = {variant.name for variant, _, _ in rows}
    notes = [
        f'- {_named(variant)}: {variant.note}'
        for variant in experiment.variants
        if variant.note and variant.name in shown
    ]
    if any(variant.own_schedule for variant, _, _ in rows):
        notes.append('- \\*: with a schedule of its own')
    if any(variant.own_labels for variant, _, _ in rows):
        notes.append('- †: reads more labels than those of the shots')
    return '\n\n'.join([*parts, *(['\n'.join(notes)] * bool(notes))]) + '\n'


def write_between_marks(file: Path, name: str, text: str) -> bool:
    """Puts a text between ``<!-- begin name -->`` and ``<!-- end name -->``.

    Args:
        file (Path): A Markdown file.
        name (str): Name of the marks.
        text (str): What is to stand between them.

    Returns:
        bool: False, and nothing changed, where the marks are not there.
    """
    begin, end = f'<!-- begin {name} -->', f'<!-- end {name} -->'
    old = file.read_text(encoding='utf-8') if file.is_file() else ''
    if begin not in old or end not in old.split(begin, 1)[1]:
        return False
    before, rest = old.split(begin, 1)
    after = rest.split(end, 1)[1]
    new = f'{before}{begin}\n{text}{end}{after}'
    atomic_write_bytes(file, new.encode())
    return True


def _named(variant: Variant) -> str:
    return variant.name + '*' * variant.own_schedule + '†' * variant.own_labels


def _scores(experiment: Experiment, rows: Sequence[tuple], found: By) -> str:
    lines = [
        '| variant | images per class | seeds | AP50 | AP | AP50 - reference | '
        't over seeds | bootstrap over images |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for variant, shots, seeds in rows:
        runs = [_named(variant), shots, len(seeds)]
        for key in ('AP50', 'AP'):
            mean, error = mean_and_error([r[key] for r in seeds.values()])
            runs.append(
                f'{mean:.1f}' + ('' if error is None else f' ± {error:.1f}')
            )
        against = found.get((experiment.reference, shots), {})
        if (
            variant.name == experiment.reference
            or not seeds.keys() & against.keys()
        ):
            runs += [''] * 3
        else:
            runs += _differences(seeds, against)
        lines.append('| ' + ' | '.join(map(str, runs)) + ' |')
    return '\n'.join(lines)


def _differences(seeds: Mapping, against: Mapping) -> list[str]:
    pair = paired_difference(
        {s: r['AP50'] for s, r in seeds.items()},
        {s: r['AP50'] for s, r in against.items()},
    )
    low, high = bootstrap_interval(
        {s: r['bootstrap']['AP50'] for s, r in seeds.items()},
        {s: r['bootstrap']['AP50'] for s, r in against.items()},
    )
    t = '' if pair.low is None else f'{pair.low:+.1f} … {pair.high:+.1f}'
    return [f'{pair.mean:+.1f}', t, f'{low:+.1f} … {high:+.1f}']


def _classes(rows: Sequence[tuple]) -> str:
    names = list(next(iter(rows[0][2].values()))['classes'])
    lines = [
        '| variant | images per class | ' + ' | '.join(names) + ' |',
        '| --- ' * (2 + len(names)) + '|',
    ]
    for variant, shots, seeds in rows:
        means = [
            mean_and_error([r['classes'][n]['AP50'] for r in seeds.values()])
            for n in names
        ]
        runs = [_named(variant), str(shots), *(f'{m:.1f}' for m, _ in means)]
        lines.append('| ' + ' | '.join(runs) + ' |')
    return '\n'.join(lines)


def _times(rows: Sequence[tuple]) -> str:
    stages = ('generator', 'bank', 'backbone', 'detector')
    lines = [
        '| variant | images per class | ' + ' | '.join(stages) + ' |',
        '| --- ' * (2 + len(stages)) + '|',
    ]
    for variant, shots, seeds in rows:
        runs = [_named(variant), str(shots)]
        for stage in stages:
            took = [
                r['seconds'][stage] / 60
                for r in seeds.values()
                if stage in r['seconds']
            ]
            runs.append(f'{mean_and_error(took)[0]:.1f}' if took else '')
        lines.append('| ' + ' | '.join(runs) + ' |')
    return '\n'.join(lines)
