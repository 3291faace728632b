"""A picture of a benchmark."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

from ..utils.fileio import atomic_write_bytes
from .experiment import Plan
from .statistics import mean_and_error
from .table import by_arm


def draw_picture(plan: Plan, records: Sequence[dict], file: Path) -> None:
    """Draws AP50 against labelled images per class, a line for each arm.

    Where the plan has one number of images, arms stand side by side instead.
    Single seeds are dots, bars are standard errors.

    Args:
        plan (Plan): The plan.
        records (Sequence[dict]): Its records, at least one.
        file (Path): The PNG.
    """
    # Not pyplot: it would look for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    found = by_arm(records)
    arms = [a for a in plan.arms if any(a.name == name for name, _ in found)]
    single = len(plan.shots) == 1
    for number, arm in enumerate(arms):
        points = [
            (shots, [r['AP50'] for r in found[arm.name, shots].values()])
            for shots in plan.shots
            if (arm.name, shots) in found
        ]
        # Side by side, where several arms have the same number of images.
        shift = 1 + 0.02 * (number - (len(arms) - 1) / 2)
        xs = [number if single else shots * shift for shots, _ in points]
        sums = [mean_and_error(scores) for _, scores in points]
        line = axes.errorbar(
            xs,
            [mean for mean, _ in sums],
            # A single seed says nothing of the spread.
            [math.nan if e is None else e for _, e in sums],
            marker='o',
            capsize=4,
            label=arm.name,
        )
        colour = line.lines[0].get_color()
        for x, (_, scores) in zip(xs, points):
            axes.plot([x] * len(scores), scores, '.', color=colour, alpha=0.4)
    if single:
        names = [arm.name for arm in arms]
        axes.set_xticks(range(len(arms)), names, rotation=30, ha='right')
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_title(f'{plan.shots[0]} labelled images per class')
    else:
        axes.set_xscale('log')
        axes.set_xlim(min(plan.shots) / 1.5, max(plan.shots) * 1.5)
        axes.set_xticks(list(plan.shots), [str(s) for s in plan.shots])
        axes.minorticks_off()
        axes.set_xlabel('labelled images per class')
        axes.legend()
    axes.set_ylabel(f'AP50 on {plan.score}, per cent')
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=120, metadata={'Software': None})
    atomic_write_bytes(file, buffer.getvalue())
