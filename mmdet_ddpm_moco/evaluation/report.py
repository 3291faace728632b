"""The report in Markdown."""

from collections.abc import Mapping, Sequence

from .distributions import ALL, METRICS, OVERALL, TRAINING
from .fidelity import MIN_WINDOWS, NEIGHBORHOOD
from .nearest_neighbors import NEAR

_NONE = '-'
_TITLES = dict(
    all='All',
    add='Added to a defect-free area, compared with real defects that fit '
    'into a window',
    replaces='In place of a real defect (started from its window)',
    training='The training windows, in place of the bank',
)


def markdown(report: Mapping) -> str:
    """The Markdown of what :func:`evaluate_bank` returns."""
    windows = report['windows']
    real = 'held-out' if report['held_out'] else 'training'
    parts = [
        f'# Defect bank `{report["bank"]}`',
        f'{windows["synthesized"]} synthesized windows with a defect '
        f'({windows["evaluated"]} of {windows["in_bank"]} windows of the bank '
        f'were evaluated), compared with {windows[real]} windows of {real} '
        f'images, cut in the same way. `{_NONE}`: fewer than {MIN_WINDOWS} '
        'windows on a side.',
        *_warnings(report),
        *_distributions(report, real),
        *_neighbors(report['neighbors']),
        *_spectrum(report['spectrum']),
    ]
    if report['label_agreement']:
        parts += _label_agreement(report['label_agreement'], real)
    if report.get('trained_on_bank'):
        parts += _trained_on_bank(report['trained_on_bank'])
    return '\n\n'.join(parts) + '\n'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _number(value: float | None, digits: int = 2) -> str:
    return _NONE if value is None else f'{value:.{digits}f}'


def _distance(report: Mapping) -> str:
    """Name of the Frechet distance in the features of a report."""
    name = report['features']['name']
    return 'FID' if name == 'Inception' else f'Fréchet distance ({name})'


def _warnings(report: Mapping) -> list[str]:
    dimensions = report['features']['dimensions']
    overall = report['distributions'][ALL][OVERALL]
    smaller = min(overall['counts'].values())
    lines = []
    if smaller < dimensions:
        lines.append(
            f'**{smaller} windows for {dimensions} features**: the '
            f'covariances are singular and the {_distance(report)} is mostly '
            'bias. Compare it with real to real on matched subsets, or use '
            'KID.'
        )
    if not report['held_out']:
        lines.append(
            '**Compared with the training images themselves**, which the '
            'generator has seen: a generator that copies looks perfect here. '
            'Give held-out images (`--real-ann`).'
        )
    return lines


def _distributions(report: Mapping, real: str) -> list[str]:
    features, distance = report['features'], _distance(report)
    classified = features['name'] in ('Inception', 'Lite0')
    parts = [
        f'## Distributions ({features["name"]}, {features["dimensions"]} '
        'features)',
        f'{distance}: lower is better; biased upwards, more so with fewer '
        'windows. KID: lower is better, unbiased; here times 1000, ± over '
        'random subsets of half the windows. Precision: share of synthesized '
        'windows that look real; recall: share of real windows that the bank '
        f'covers (both with {NEIGHBORHOOD} neighbors). IS: '
        + (
            'inception score, over classes of ImageNet, which are not those '
            'of defects.'
            if classified
            else 'none without a classifier.'
        ),
    ]
    head = [distance, '1000 KID', 'precision', 'recall', 'IS']
    for kind, found in report['distributions'].items():
        rows, matched = [], []
        for name, row in found.items():
            counts = [str(row['counts'][side]) for side in ('bank', 'real')]
            rows.append([name, *counts, *_all_windows(row['all'])])
            matched.append([name, *_matched(row['matched'])])
        parts += [
            f'### {_TITLES[kind]}',
            _table(['', 'N bank', 'N real', *head], rows),
            'On matched subsets (equal N and mix of classes), compared with '
            f'one half of the {real} images: the bank / the other half. Means '
            'over random halves, ± their standard deviation.',
            _table(['', 'N', *head], matched),
        ]
    return parts


def _all_windows(metrics: Mapping | None) -> list[str]:
    if metrics is None:
        return [_NONE] * len(METRICS)
    score = _number(metrics.get('inception_score'))
    if metrics.get('inception_score_splits', 1) > 1:
        score += f' ± {metrics["inception_score_std"]:.2f}'
    return [
        f'{metrics["frechet_distance"]:.1f}',
        f'{1e3 * metrics["kid"]:.2f} ± {1e3 * metrics["kid_std"]:.2f}',
        f'{metrics["precision"]:.2f}',
        f'{metrics["recall"]:.2f}',
        score,
    ]


def _matched(found: Mapping | None) -> list[str]:
    if found is None:
        return [_NONE] * (1 + len(METRICS))
    cells = [f'{found["n"]:g}']
    for key in METRICS:
        scale = 1e3 if key == 'kid' else 1
        digits = 1 if key == 'frechet_distance' else 2
        sides = [found[side].get(key) for side in ('bank', 'real')]
        cells.append(
            ' / '.join(
                f'{scale * side["mean"]:.{digits}f} ± '
                f'{scale * side["std"]:.{digits}f}'
                for side in sides
            )
            if all(sides)
            else _NONE
        )
    return cells


def _neighbors(found: Mapping) -> list[str]:
    rows = [
        [
            'real training windows' if kind == 'real' else kind,
            str(row['n']),
            _number(row['median']),
            f'{100 * row["near_duplicates"]:.0f} %',
        ]
        for kind, row in found.items()
    ]
    return [
        '## Nearest training windows',
        'Distance to the nearest training window of another image than the '
        'host; 1 is the median of real training windows. Near duplicates: '
        f'nearer than {100 * (1 - NEAR):.0f} % of real ones. Pictures: '
        '`neighbors.png`.',
        _table(['', 'N', 'median distance', 'near duplicates'], rows),
    ]


def _spectrum(found: Mapping) -> list[str]:
    bands = [f'{center:.3f}' for center in found['centers']]
    rows = []
    for kind, groups in found.items():
        if kind == 'centers':
            continue
        for group, row in groups.items():
            if kind not in (ALL, TRAINING) and group != OVERALL:
                continue
            cells = [_NONE] * (3 + len(bands))
            if row:
                bank = row['bank']
                cells = [
                    f'{row["n"]:g}',
                    _number(bank['mean_abs']),
                    _number(row['real']['mean_abs']),
                    *(
                        _NONE if b is None else f'{b:+.1f}'
                        for b in bank['bands']
                    ),
                ]
            rows.append([group if kind == ALL else f'{kind}, {group}', *cells])
    return [
        '## Power spectra',
        'Synthesized over real in dB on matched subsets, by band of cycles '
        'per pixel, and the mean absolute value over bands; beside it real '
        'over real. Negative on the right means blurred. Picture: '
        '`spectrum.png`.',
        _table(['', 'N', 'mean abs.', 'real / real', *bands], rows),
    ]


def _label_agreement(found: Mapping, real: str) -> list[str]:
    rows = []
    for group, base in found['real'].items():
        cells = [group, str(base['n']), _number(base['recall'])]
        for kind in ('add', 'replaces'):
            row = found[kind][group]
            keys = ('recall', 'relative_recall', 'host_recall')
            cells += [str(row['n']), *(_number(row[key]) for key in keys)]
        rows.append(cells)
    null = found['null']
    recalls = ['recall', 'relative', 'in host']
    head = ['', 'N real', 'recall', 'N add', *recalls, 'N replaces', *recalls]
    own = ' (too high if it was trained on them)' * (real == 'training')
    return [
        '## Label agreement',
        'Recall of the judge on the labels of the bank (right class, IoU ≥ '
        f'{found["iou"]:g}, score ≥ {found["score"]:g}), in the host with the '
        f'window pasted, beside its recall on the boxes of {real} images'
        f'{own}. Relative: divided by that recall. In host: its recall at the '
        'same places of the original hosts, for replaced defects on the real '
        'ones (again too high if it was trained on them).',
        _table(head, rows),
        'Windows without a defect: false positive rate '
        f'{_number(null["false_positive_rate"])} of {null["n"]}, at the same '
        'places of the original hosts '
        f'{_number(null["host_false_positive_rate"])}.',
    ]


def _trained_on_bank(found: Mapping) -> list[str]:
    rows = []
    for name in (*found['judge']['classes'], OVERALL):
        sides = [found['judge'], found['bank']]
        if name != OVERALL:
            sides = [side['classes'][name] for side in sides]
        cells = [_number(s[key], 1) for key in ('AP50', 'AP') for s in sides]
        rows.append([name, *cells])
    return [
        '## Train on synthetic, test on real',
        f"The judge's config trained on the bank alone: {found['boxes']} "
        f'synthesized defects in {found["images"]} images, in which the real '
        'ones are ignored. In percent, on the held-out images, beside the '
        'judge, which was trained on real defects.',
        _table(['', 'AP50 judge', 'AP50 bank', 'AP judge', 'AP bank'], rows),
    ]
