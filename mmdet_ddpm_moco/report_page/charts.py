"""Where the lines of a chart run, so that the template only draws them.

Not pictures: lines of an SVG take the colors of the page, light or dark, and
print sharply.
"""

import math
from collections.abc import Mapping, Sequence

from .blocks import Chart, Line, Tick

# The template's plot area, in units of its viewBox.
LEFT, TOP, WIDTH, HEIGHT = 60, 16, 572, 214
_MAX_POINTS = 300
Points = Sequence[tuple[float, float]]


def make_chart(
    title: str,
    x_label: str,
    series: Mapping[str, Points],
    *,
    with_last: bool = True,
) -> Chart | None:
    """Lays out a chart.

    Args:
        title (str): Heading.
        x_label (str): What is along the horizontal axis.
        series (Mapping): Points (x, y) by name; those that are not finite
            are left out.
        with_last (bool): Name the last value of each. Defaults to True.

    Returns:
        Chart | None: None without a point.
    """
    finite = {
        name: [p for p in points if all(map(math.isfinite, p))]
        for name, points in series.items()
    }
    kept = {name: points for name, points in finite.items() if points}
    if not kept:
        return None
    xs = [x for points in kept.values() for x, _ in points]
    ys = [y for points in kept.values() for _, y in points]
    x_marks = _marks(min(xs), max(xs))
    # From 0, unless that would hide the differences or there are negatives.
    low = 0.0 if 0 <= min(ys) <= max(ys) * 0.7 else min(ys)
    y_marks = _marks(low, max(ys))
    x_range = min(xs), max(xs)
    y_range = min(low, y_marks[0]), max(max(ys), y_marks[-1])
    return Chart(
        title,
        x_label,
        [
            Line(
                name,
                ' '.join(
                    f'{_along(x, x_range, LEFT, WIDTH):.1f},'
                    f'{_along(y, y_range, TOP + HEIGHT, -HEIGHT):.1f}'
                    for x, y in _thin(points)
                ),
                f'{points[-1][1]:.4g}' if with_last else '',
            )
            for name, points in kept.items()
        ],
        [
            Tick(round(_along(x, x_range, LEFT, WIDTH), 1), f'{x:g}')
            for x in x_marks
            if x_range[0] <= x <= x_range[1]
        ],
        [
            Tick(round(_along(y, y_range, TOP + HEIGHT, -HEIGHT), 1), f'{y:g}')
            for y in y_marks
        ],
    )


def _along(
    value: float, span: tuple[float, float], start: float, length: float
) -> float:
    low, high = span
    share = (value - low) / (high - low) if high > low else 0.5
    return start + length * share


def _marks(low: float, high: float) -> list[float]:
    """Round numbers around a range, about five."""
    if not high > low:
        return [low]
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    # Rounded: 3 * 0.1 is not 0.3.
    return [round(i * step, 12) for i in range(first, last + 1)]


def _thin(points: Points) -> Points:
    """At most so many points that a screen shows, the last among them."""
    step = math.ceil(len(points) / _MAX_POINTS)
    kept = list(points[::step])
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept
