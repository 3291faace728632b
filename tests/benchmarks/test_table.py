import json

import pytest

from benchmarks.speed.table import Row, speed_json, speed_table

ROWS = [
    Row('sampling', 'ours', 41.25, 'x', 'median of 5 runs', least=40),
    Row('share', 'U-Net', 0.5, '', '1 run', least=0.9),
    Row('bank', 'opening', 0.00012345, 's', '1 run', most=1),
    Row('bank', 'memory', 150.0, 'MB', '1 run', most=150),
    Row('unet', 'compiled', None, 'x', 'not available: a|b', least=1),
    Row('unet', 'plain', 1234.5, 's', '1 run'),
]


def test_the_table_has_value_unit_target_and_method():
    first, empty, *lines = speed_table(
        ROWS, dict(batch=4, device='cpu')
    ).splitlines()
    assert (first, empty) == ('batch 4; device cpu.', '')
    assert lines == [
        '| part | measured | value | target | how |',
        '| --- | --- | --- | --- | --- |',
        '| sampling | ours | 41.2 x | at least 40, met | median of 5 runs |',
        '| share | U-Net | 0.5 | at least 0.9, missed | 1 run |',
        '| bank | opening | 0.000123 s | below 1, met | 1 run |',
        '| bank | memory | 150 MB | below 150, missed | 1 run |',
        '| unet | compiled | - | at least 1 | not available: a/b |',
        '| unet | plain | 1234 s |  | 1 run |',
    ]


@pytest.mark.parametrize(
    ('value', 'bound', 'met'),
    [
        (40.0, dict(least=40), True),
        (39.9, dict(least=40), False),
        (1.0, dict(most=1), False),
        (0.9, dict(most=1), True),
        (None, dict(most=1), None),
        (3.0, {}, None),
    ],
)
def test_a_target_is_met_from_its_bound_on(value, bound, met):
    assert Row('bank', 'opening', value, 's', '', **bound).met is met


def test_the_json_keeps_all_digits_and_met_targets():
    found = speed_json(ROWS, dict(batch=4))
    assert json.loads(json.dumps(found)) == found
    assert found['setting'] == dict(batch=4)
    assert [row['value'] for row in found['rows']] == [
        row.value for row in ROWS
    ]
    assert [row['met'] for row in found['rows']] == [
        True,
        False,
        True,
        False,
        None,
        None,
    ]
