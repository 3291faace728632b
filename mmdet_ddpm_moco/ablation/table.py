"""The table of a benchmark, in Markdown."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..utils.fileio import atomic_write_bytes
from .experiment import Arm, Plan
from .statistics import bootstrap_interval, mean_and_error, paired_difference

By = Mapping[tuple[str, int], Mapping[int, dict]]


def by_arm(records: Sequence[dict]) -> By:
    """Records by arm and shots, then by seed."""
    found: dict = defaultdict(dict)
    for record in records:
        found[record['arm'], record['shots']][record['seed']] = record
    return found


def table(plan: Plan, records: Sequence[dict]) -> str:
    """Draws up the table of all finished cells.

    Args:
        plan (Plan): The plan.
        records (Sequence[dict]): Its records.

    Returns:
        str: Markdown: AP with its standard error over seeds, differences
        from the reference in pairs, AP50 of each class, wall time.
    """
    found = by_arm(records)
    rows = [
        (arm, shots, found[arm.name, shots])
        for shots in plan.shots
        for arm in plan.arms
        if (arm.name, shots) in found
    ]
    if not rows:
        return 'No cell is measured yet.\n'
    images = sorted({r['images'] for r in records})
    done, asked = len(records), len(plan.cells())
    parts = [
        f'{done} of {asked} cells are measured, on the '
        f'{" or ".join(map(str, images))} images of `{plan.score}`. Mean ± '
        f'standard error over seeds; differences from {plan.reference} are '
        "paired by seed, with the 95 % interval of Student's t over seeds "
        'and, taking the detectors as they are, of a bootstrap over test '
        'images. Generator and labels see the shots only, but for arms with '
        '†; contrast may see the whole training part without its labels.',
        _scores(plan, rows, found),
        'AP50 by class:',
        _classes(rows),
        'Wall time of a cell in minutes; stages that arms share were made '
        'once.',
        _times(rows),
    ]
    shown = {arm.name for arm, _, _ in rows}
    notes = [
        f'- {_named(arm)}: {arm.note}'
        for arm in plan.arms
        if arm.note and arm.name in shown
    ]
    if any(arm.own_schedule for arm, _, _ in rows):
        notes.append('- \\*: with a schedule of its own')
    if any(arm.own_labels for arm, _, _ in rows):
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


def _named(arm: Arm) -> str:
    return arm.name + '*' * arm.own_schedule + '†' * arm.own_labels


def _scores(plan: Plan, rows: Sequence[tuple], found: By) -> str:
    lines = [
        '| arm | images per class | seeds | AP50 | AP | AP50 - reference | '
        't over seeds | bootstrap over images |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for arm, shots, seeds in rows:
        cells = [_named(arm), shots, len(seeds)]
        for key in ('AP50', 'AP'):
            mean, error = mean_and_error([r[key] for r in seeds.values()])
            cells.append(
                f'{mean:.1f}' + ('' if error is None else f' ± {error:.1f}')
            )
        against = found.get((plan.reference, shots), {})
        if arm.name == plan.reference or not seeds.keys() & against.keys():
            cells += [''] * 3
        else:
            cells += _differences(seeds, against)
        lines.append('| ' + ' | '.join(map(str, cells)) + ' |')
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
        '| arm | images per class | ' + ' | '.join(names) + ' |',
        '| --- ' * (2 + len(names)) + '|',
    ]
    for arm, shots, seeds in rows:
        means = [
            mean_and_error([r['classes'][n]['AP50'] for r in seeds.values()])
            for n in names
        ]
        cells = [_named(arm), str(shots), *(f'{m:.1f}' for m, _ in means)]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _times(rows: Sequence[tuple]) -> str:
    stages = ('generator', 'bank', 'backbone', 'detector')
    lines = [
        '| arm | images per class | ' + ' | '.join(stages) + ' |',
        '| --- ' * (2 + len(stages)) + '|',
    ]
    for arm, shots, seeds in rows:
        cells = [_named(arm), str(shots)]
        for stage in stages:
            took = [
                r['seconds'][stage] / 60
                for r in seeds.values()
                if stage in r['seconds']
            ]
            cells.append(f'{mean_and_error(took)[0]:.1f}' if took else '')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)
