"""A plot of the results of an experiment."""

import math
from collections.abc import Sequence
from pathlib import Path

from ..evaluation.statistics import mean_and_error
from ..visualization.figure import make_figure, save_figure
from .experiment import Experiment
from .table import by_variant


def plot_results(
    experiment: Experiment, records: Sequence[dict], file: Path
) -> None:
    """Plots AP50 against labeled images per class, a line for each variant.

    With a single number of images, variants are shown side by side instead.
    A variant with labels of its own is a horizontal line.
    Small dots are single seeds, error bars standard errors. There must be a
    record; ``file`` becomes a PNG.
    """
    figure = make_figure(6, 4)
    axes = figure.subplots()
    found = by_variant(records)
    names = {name for name, _ in found}
    variants = [v for v in experiment.variants if v.name in names]
    all_shots = experiment.all_shots()
    single = len(all_shots) == 1
    numbers = [n for n in all_shots if isinstance(n, int)]
    for number, variant in enumerate(variants):
        # Side by side, where several variants have the same number of images.
        shift = 1 + 0.02 * (number - (len(variants) - 1) / 2)
        places: dict[int | str, float] = (
            {all_shots[0]: number}
            if single
            else {n: n * shift for n in numbers}
        )
        points = [
            (place, [r['AP50'] for r in found[variant.name, shots].values()])
            for shots, place in places.items()
            if (variant.name, shots) in found
        ]
        if variant.own_labels and not single:
            # As many labels as it has, whatever the axis says.
            scores = [
                record['AP50']
                for (name, _), records_of in found.items()
                if name == variant.name
                for record in records_of.values()
            ]
            height, _ = mean_and_error(scores)
            axes.axhline(
                height, color='0.4', linestyle='--', label=variant.name
            )
            continue
        xs = [place for place, _ in points]
        sums = [mean_and_error(scores) for _, scores in points]
        line = axes.errorbar(
            xs,
            [mean for mean, _ in sums],
            # The spread of a single seed is unknown.
            [math.nan if e is None else e for _, e in sums],
            marker='o',
            capsize=4,
            label=variant.name,
        )
        color = line.lines[0].get_color()
        for x, (_, scores) in zip(xs, points):
            axes.plot([x] * len(scores), scores, '.', color=color, alpha=0.4)
    if single:
        labels = [variant.name for variant in variants]
        axes.set_xticks(range(len(variants)), labels, rotation=30, ha='right')
        axes.set_xlim(-0.5, len(variants) - 0.5)
        axes.set_title(f'{all_shots[0]} labeled images per class')
    else:
        axes.set_xscale('log')
        axes.set_xlim(min(numbers) / 1.5, max(numbers) * 1.5)
        axes.set_xticks(numbers, map(str, numbers))
        axes.minorticks_off()
        axes.set_xlabel('labeled images per class')
        axes.legend()
    axes.set_ylabel(f'AP50 on {experiment.test_ann_file}, percent')
    axes.grid(alpha=0.3)
    save_figure(figure, file, dpi=120)
