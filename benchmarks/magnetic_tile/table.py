"""The tables of the finished variants, in Markdown."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from mmdet_ddpm_moco.ablation.records import read_records
from mmdet_ddpm_moco.evaluation.statistics import bootstrap_interval

from .folds import FOLDS
from .scores import RECALLS


def results(here: Path) -> Path:
    """Records of the folds together, one json line for each run."""
    return here / 'results' / 'pooled.jsonl'


def table(here: Path, reference: str = 'baseline') -> str:
    """Means over seeds, and differences from the reference.

    Returns:
        str: Markdown.
    """
    found: dict = defaultdict(dict)
    for record in read_records(results(here))[0]:
        found[record['variant']][record['seed']] = record
    if reference not in found:
        return 'No variant is finished in all folds yet.\n'
    against = found[reference]
    kinds = list(next(iter(against.values()))['classes'])
    alarms = [f'false alarms at recall {r:g}' for r in RECALLS]
    head = ['variant', 'seeds', 'AP50', 'difference', 'bootstrap over images']
    head += ['AP', 'AP50, any kind', *alarms, *kinds]
    lines = [head, ['---'] * len(head)]
    for name, seeds in found.items():
        records = list(seeds.values())
        shared = sorted(set(seeds) & set(against))
        difference = interval = ''
        if name != reference and shared:
            pairs = [seeds[s]['AP50'] - against[s]['AP50'] for s in shared]
            difference = f'{np.mean(pairs):+.1f}'
            low, high = bootstrap_interval(
                *(
                    {s: r[s]['bootstrap']['AP50'] for s in shared}
                    for r in (seeds, against)
                )
            )
            interval = f'{low:+.1f} … {high:+.1f}'

        def mean(*keys: str, digits: int = 1, of: list = records) -> str:
            values = []
            for value in of:
                for key in keys:
                    value = value[key]
                values.append(value)
            return f'{np.mean(values):.{digits}f}'

        lines.append(
            [
                name,
                str(len(seeds)),
                mean('AP50'),
                difference,
                interval,
                mean('AP'),
                mean('any_kind'),
                *(mean('false_alarms', str(r), digits=2) for r in RECALLS),
                *(mean('classes', kind, 'AP50') for kind in kinds),
            ]
        )
    return _markdown(lines)


def table_of_folds(
    here: Path, seed: int = 0, reference: str = 'baseline'
) -> str:
    """AP50 of each variant in each fold, and the mean of the differences.

    Also of variants that are not finished in all folds. The interval is that
    of a bootstrap over the images of each fold.

    Returns:
        str: Markdown.
    """
    found: dict = defaultdict(dict)
    for fold in range(FOLDS):
        file = here / 'results' / f'fold_{fold}.jsonl'
        for record in read_records(file)[0]:
            if record['seed'] == seed:
                found[record['variant']][fold] = record
    head = ['variant', *(f'fold {fold}' for fold in range(FOLDS))]
    head += ['mean difference', 'bootstrap over images', 'of AP']
    lines = [head, ['---'] * len(head)]
    against = found[reference]
    for name, folds in found.items():
        shared = sorted(set(folds) & set(against))
        line = [name]
        for fold in range(FOLDS):
            cell = f'{folds[fold]["AP50"]:.1f}' if fold in folds else ''
            if name != reference and fold in shared:
                gain = folds[fold]['AP50'] - against[fold]['AP50']
                cell += f' ({gain:+.1f})'
            line.append(cell)
        rest = [''] * 3
        if name != reference and shared:
            rest = _mean_difference(
                {f: folds[f] for f in shared}, {f: against[f] for f in shared}
            )
        lines.append([*line, *rest])
    return _markdown(lines)


def _mean_difference(a: dict, b: dict) -> list[str]:
    """Of AP50, its interval, and of AP, over folds that both have."""

    def mean(key: str) -> str:
        return f'{np.mean([a[f][key] - b[f][key] for f in a]):+.1f}'

    low, high = bootstrap_interval(
        *({f: r[f]['bootstrap']['AP50'] for f in r} for r in (a, b))
    )
    return [mean('AP50'), f'{low:+.1f} … {high:+.1f}', mean('AP')]


def _markdown(lines: list[list[str]]) -> str:
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'
