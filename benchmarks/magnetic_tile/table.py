"""The table of the finished variants, in Markdown."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from mmdet_ddpm_moco.ablation.records import read_records
from mmdet_ddpm_moco.evaluation.statistics import bootstrap_interval

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
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'
