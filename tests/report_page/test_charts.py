"""Lines of charts, against the axes they are drawn on."""

import math

import pytest

from mmdet_ddpm_moco.report_page.charts import (
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    make_chart,
)


def points_of(line):
    return [tuple(map(float, p.split(','))) for p in line.points.split()]


def test_lines_and_marks_have_one_scale():
    chart = make_chart(
        'Loss', 'iterations', dict(a=[(0, 0), (50, 5), (100, 10)])
    )
    assert points_of(chart.lines[0]) == [
        (LEFT, TOP + HEIGHT),
        (LEFT + WIDTH / 2, TOP + HEIGHT / 2),
        (LEFT + WIDTH, TOP),
    ]
    marks = {tick.text: tick.at for tick in chart.x_ticks}
    assert marks['0'] == LEFT
    assert marks['100'] == LEFT + WIDTH
    marks = {tick.text: tick.at for tick in chart.y_ticks}
    assert marks['0'] == TOP + HEIGHT
    assert marks['10'] == TOP
    assert chart.lines[0].last == '10'


@pytest.mark.parametrize(
    'values',
    [
        [0.81, 0.82],
        [-3, 4],
        [7],
        [0, 0, 0],
        [1e-9, 2e-9],
        [1e9, 3e9],
        [5, 5.0000001],
    ],
)
def test_all_points_are_inside(values):
    chart = make_chart('x', 'y', dict(a=list(enumerate(values))))
    for x, y in points_of(chart.lines[0]):
        assert LEFT <= x <= LEFT + WIDTH
        assert TOP <= y <= TOP + HEIGHT
    for tick in chart.y_ticks:
        assert TOP <= tick.at <= TOP + HEIGHT
    assert 1 <= len(chart.y_ticks) <= 8


def test_what_is_not_finite_is_left_out():
    chart = make_chart('x', 'y', dict(a=[(0, math.nan), (1, 2)], b=[]))
    assert [line.name for line in chart.lines] == ['a']
    assert len(points_of(chart.lines[0])) == 1
    assert make_chart('x', 'y', dict(a=[(0, math.inf)])) is None


def test_long_curves_are_thinned_to_their_end():
    chart = make_chart('x', 'y', dict(a=[(i, i) for i in range(100_003)]))
    points = points_of(chart.lines[0])
    assert len(points) <= 302
    assert points[-1] == (LEFT + WIDTH, min(y for _, y in points))
