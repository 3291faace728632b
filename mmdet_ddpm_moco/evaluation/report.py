"""The report in Markdown."""

from collections.abc import Mapping, Sequence

from .distributions import ALL, OVERALL, TRAINING
from .fidelity import MIN_WINDOWS, NEIGHBORHOOD
from .nearest_neighbors import SUSPICIOUS

_NO = '-'


def markdown(report: Mapping) -> str:
    """Draws up a report.

    Args:
        report (Mapping): What :func:`evaluate_bank` returns.

    Returns:
        str: Markdown.
    """
    windows, features = report['windows'], report['features']
    real = 'held-out' if report['held_out'] else 'training'
    parts = [
        f'# Defect bank `{report["bank"]}`',
        f'{windows["synthesized"]} synthesized windows with a defect '
        f'({windows["evaluated"]} of {windows["in_bank"]} windows of the bank '
        f'were looked at) against {windows[real]} windows of {real} images, '
        'cut in the same way. '
        f'`{_NO}`: fewer than {MIN_WINDOWS} windows on a side.',
        *_warnings(report),
        f'## Distributions ({features["name"]}, {features["dimensions"]} '
        'features)',
        f'{distance(features["name"])}: less is nearer; biased upwards, the '
        'more the fewer windows. KID: less is nearer, without bias; here '
        'times 1000, ± over random subsets of half the windows. Precision: '
        'share of synthesized windows that look real; recall: share of real '
        'windows that the bank covers (both with '
        f'{NEIGHBORHOOD} neighbors). IS: '
        + (
            'inception score, over classes of ImageNet, which are not those '
            'of defects.'
            if features['name'] in ('Inception', 'Lite0')
            else 'none without a classifier.'
        ),
    ]
    for kind, found in report['distributions'].items():
        parts += [f'### {_TITLES[kind]}', _all(found, features['name'])]
        parts += [
            f'At equal N and mix of classes, against one half of the {real} '
            'images: the bank / the other half. Means over random halvings, '
            '± their standard deviation.',
            _equal(found, features['name']),
        ]
    parts += _neighbors(report) + _spectrum(report)
    if report['label_agreement']:
        parts += _label_truth(report)
    if report.get('trained_on_bank'):
        parts += _trained_on_bank(report['trained_on_bank'])
    return '\n\n'.join(parts) + '\n'


_TITLES = dict(
    all='All',
    add='Added to free ground, against real defects that fit into a window',
    replaces='In place of a real defect (started from its window)',
    training='The training windows themselves, in the place of the bank',
)


def distance(name: str) -> str:
    """What the Frechet distance in these features is called."""
    return 'FID' if name == 'Inception' else f'Fréchet distance ({name})'


def _warnings(report: Mapping) -> list[str]:
    features = report['features']
    overall = report['distributions'][ALL][OVERALL]
    smaller = min(overall['counts'].values())
    lines = []
    if smaller < features['dimensions']:
        lines.append(
            f'**{smaller} windows for {features["dimensions"]} features**: '
            f'the covariances are singular and the '
            f'{distance(features["name"])} is mostly bias. Compare it with '
            'real against real at equal N, or take KID.'
        )
    if not report['held_out']:
        lines.append(
            '**Compared with the training images themselves**, which the '
            'generator has seen: a generator that copies looks perfect here. '
            'Give held-out images (`--real-ann`).'
        )
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _all(found: Mapping, name: str) -> str:
    rows = []
    for group, row in found.items():
        n, f = row['counts'], row['all']
        cells = [_NO] * 5
        if f:
            cells = [
                f'{f["frechet"]:.1f}',
                f'{1e3 * f["kid"]:.2f} ± {1e3 * f["kid_std"]:.2f}',
                f'{f["precision"]:.2f}',
                f'{f["recall"]:.2f}',
                _isc(f),
            ]
        rows.append([group, str(n['bank']), str(n['real']), *cells])
    head = ['', 'N bank', 'N real', distance(name), '1000 KID']
    return _table([*head, 'precision', 'recall', 'IS'], rows)


def _isc(f: Mapping) -> str:
    if 'isc' not in f:
        return _NO
    spread = f' ± {f["isc_std"]:.2f}' if f['isc_splits'] > 1 else ''
    return f'{f["isc"]:.2f}{spread}'


def _equal(found: Mapping, name: str) -> str:
    formats = dict(
        frechet=(1, '.1f'),
        kid=(1e3, '.2f'),
        precision=(1, '.2f'),
        recall=(1, '.2f'),
        isc=(1, '.2f'),
    )
    rows = []
    for group, row in found.items():
        f = row['equal']
        cells = [group, f'{f["n"]:g}' if f else _NO]
        for key, (scale, digits) in formats.items():
            cells.append(
                ' / '.join(
                    f'{scale * f[side][key]["mean"]:{digits}} ± '
                    f'{scale * f[side][key]["std"]:{digits}}'
                    for side in ('bank', 'real')
                )
                if f and key in f['bank']
                else _NO
            )
        rows.append(cells)
    head = ['', 'N', distance(name), '1000 KID', 'precision', 'recall']
    return _table([*head, 'IS'], rows)


def _neighbors(report: Mapping) -> list[str]:
    rows = [
        [
            kind if kind != 'real' else 'real training windows',
            str(f['n']),
            f'{f["median"]:.2f}',
            f'{100 * f["suspicious"]:.0f} %',
        ]
        for kind, f in report['neighbors'].items()
    ]
    return [
        '## Nearest training windows',
        'Distance to the nearest training window of another image than the '
        'host; 1 is the median of real training windows among themselves. '
        'Pictures: `neighbors.png`.',
        _table(
            [
                '',
                'N',
                'median distance',
                f'nearer than {100 * (1 - SUSPICIOUS):.0f} % of real ones',
            ],
            rows,
        ),
    ]


def _spectrum(report: Mapping) -> list[str]:
    spectrum = dict(report['spectrum'])
    bands = [f'{c:.3f}' for c in spectrum.pop('centers')]
    rows = []
    for kind, found in spectrum.items():
        for group, f in found.items():
            if kind not in (ALL, TRAINING) and group != OVERALL:
                continue
            cells = [_NO] * (3 + len(bands))
            if f:
                cells = [
                    f'{f["n"]:g}',
                    f'{f["bank"]["mean_abs"]:.2f}',
                    f'{f["real"]["mean_abs"]:.2f}',
                    *(
                        _NO if b is None else f'{b:+.1f}'
                        for b in f['bank']['bands']
                    ),
                ]
            name = group if kind == ALL else f'{kind}, {group}'
            rows.append([name, *cells])
    return [
        '## Power spectra',
        'Synthesized over real in dB at equal N, by band of cycles per '
        'pixel, and the mean of its size over bands; beside it real against '
        'real. Negative at the right means blurred. Picture: '
        '`spectrum.png`.',
        _table(['', 'N', 'mean size', 'real : real', *bands], rows),
    ]


def _label_truth(report: Mapping) -> list[str]:
    truth = report['label_agreement']
    rows = []
    for group, base in truth['real'].items():
        cells = [group, *_found(base)]
        for kind in ('add', 'replaces'):
            f = truth[kind][group]
            cells += [*_found(f), _share(f['relative']), _share(f['before'])]
        rows.append(cells)
    null = truth['null']
    real = 'held-out' if report['held_out'] else 'training'
    return [
        '## Label truth',
        'Boxes that the judge finds (right class, IoU ≥ '
        f'{truth["iou"]:g}, score ≥ {truth["score"]:g}) in the host with the '
        f'window put back, beside its recall on the boxes of {real} images'
        + (
            ' (if it was trained on them, that is too high)'
            if not report['held_out']
            else ''
        )
        + '. Relative: over that recall. Before: what it finds at the same '
        'places of the untouched hosts, for replaced defects the real ones '
        '(again too high if it was trained on them).',
        _table(
            [
                '',
                'N real',
                'recall',
                'N add',
                'recall',
                'relative',
                'before',
                'N replaces',
                'recall',
                'relative',
                'before',
            ],
            rows,
        ),
        f'Windows without a defect: the judge fires on '
        f'{_share(null["fired"])} of {null["n"]}, at the same places of the '
        f'untouched hosts on {_share(null["before"])}.',
    ]


def _trained_on_bank(found: Mapping) -> list[str]:
    sides = found['judge'], found['bank']
    groups = [
        *(
            (name, [side['classes'][name] for side in sides])
            for name in found['judge']['classes']
        ),
        (OVERALL, sides),
    ]
    rows = [
        [
            group,
            *(_percent(side[key]) for key in ('AP50', 'AP') for side in pair),
        ]
        for group, pair in groups
    ]
    return [
        '## Train on synthetic, test on real',
        f"The judge's config trained on the bank alone: {found['boxes']} "
        f'synthesized defects in {found["images"]} images, in which the real '
        'ones are ignored. In percent, on the held-out images, beside the '
        'judge, which was trained on real defects.',
        _table(['', 'AP50 judge', 'AP50 bank', 'AP judge', 'AP bank'], rows),
    ]


def _percent(value: float | None) -> str:
    return _NO if value is None else f'{value:.1f}'


def _found(row: Mapping) -> tuple[str, str]:
    return str(row['n']), _share(row['recall'])


def _share(value: float | None) -> str:
    return _NO if value is None else f'{value:.2f}'
