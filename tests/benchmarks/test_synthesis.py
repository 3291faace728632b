"""The command line with an untrained generator."""

import json
import sys

import pytest

from benchmarks.speed import bank, synthesis
from benchmarks.speed.synthesis import PARTS
from helpers.tiny_synthesis import (
    CLASSES,
    write_config,
    write_generator,
    write_images,
)

STEPS = 40
ROWS = [
    ('sampling', f'DDPM, {STEPS} steps, fp32'),
    ('sampling', 'dpmsolver++, 10 steps'),
    ('sampling', 'dpmsolver++, 10 steps against DDPM'),
    ('sampling', 'painted and checked'),
    ('sampling', 'accepted'),
    ('share', 'U-Net forward in sampling time'),
    ('unet', 'fp32'),
    ('unet', 'bf16 autocast'),
    ('unet', 'bf16 autocast: difference'),
    ('unet', 'channels_last'),
    ('unet', 'channels_last: difference'),
    ('unet', 'bf16 autocast, channels_last'),
    ('unet', 'bf16 autocast, channels_last: difference'),
    ('unet', 'torch.compile'),
    ('processes', 'one process'),
    ('processes', 'two processes'),
    ('processes', 'two against one'),
    ('bank', 'opening 100 windows'),
    ('bank', 'opening 100 windows: memory'),
    ('bank', 'opening 100 windows and 200 look-ups: memory'),
    ('bank', 'look-up among 20'),
    ('bank', 'look-up among 300'),
    ('bank', 'look-up among 300 against 20'),
]


@pytest.fixture
def benchmark(monkeypatch):
    def run(*arguments):
        command = ['synthesis', *map(str, arguments)]
        monkeypatch.setattr(sys, 'argv', command)
        synthesis.main()

    return run


@pytest.fixture
def config(tmp_path):
    images = write_images(tmp_path / 'data')
    return write_config(tmp_path / 'ddpm.py', *images)


@pytest.mark.slow
def test_every_part_is_in_the_table_and_in_the_json(
    benchmark, config, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(bank, 'SIZES', (20, 300))
    monkeypatch.setattr(bank, 'OPENED', 100)
    folder = write_generator(tmp_path / 'generator', STEPS)
    out = tmp_path / 'new' / 'speed.json'
    benchmark(
        config,
        *('--generator', folder, '--out', out),
        *('--batch', 2, '--windows', 3, '--repeats', 1, '--device', 'cpu'),
    )
    printed = capfd.readouterr().out
    found = json.loads(out.read_text())
    rows = found['rows']
    assert [(row['part'], row['measured']) for row in rows] == ROWS
    assert tuple(dict.fromkeys(row['part'] for row in rows)) == PARTS
    for row in rows:
        assert f'| {row["part"]} | {row["measured"]} | ' in printed
    assert {r['measured']: r['least'] for r in rows if r['least']} == {
        'dpmsolver++, 10 steps against DDPM': 40,
        'U-Net forward in sampling time': 0.9,
        'two against one': 1.8,
    }
    value = {row['measured']: row['value'] for row in rows}
    ddpm, ours, ratio = list(value.values())[:3]
    assert ratio == pytest.approx(ours / ddpm)
    assert 0 < value['U-Net forward in sampling time'] < 1
    assert value['accepted'] <= value['painted and checked']
    assert found['setting']['batch'] == 2
    assert found['setting']['window'] == 32


def test_a_single_part(benchmark, config, tmp_path, capfd):
    folder = write_generator(tmp_path / 'generator', STEPS)
    benchmark(config, '--generator', folder, '--only', 'share', '--repeats', 1)
    lines = capfd.readouterr().out.splitlines()
    assert [x.split(' | ')[0] for x in lines if x[:2] == '| '][2:] == [
        '| share'
    ]


def line_of(benchmark, capfd, *arguments):
    with pytest.raises(SystemExit) as e:
        benchmark(*arguments)
    assert e.value.code == 1
    out, err = capfd.readouterr()
    assert out == '' and err.count('\n') == 1
    return err


def test_a_missing_generator_is_a_one_line_error(
    benchmark, config, tmp_path, capfd
):
    line = line_of(benchmark, capfd, config, '--generator', tmp_path / 'no')
    assert line.startswith(f'error: no generator at {tmp_path / "no"}')


def test_a_generator_of_other_classes_is_a_one_line_error(
    benchmark, tmp_path, capfd
):
    images = write_images(tmp_path / 'data', classes=('dent', 'scratch'))
    config = write_config(tmp_path / 'ddpm.py', *images)
    folder = write_generator(tmp_path / 'generator')
    line = line_of(benchmark, capfd, config, '--generator', folder)
    assert f'the generator was trained on the classes {CLASSES}' in line


def test_a_generator_without_masks_is_a_one_line_error(
    benchmark, config, tmp_path, capfd
):
    folder = write_generator(tmp_path / 'generator', conditioned=False)
    line = line_of(benchmark, capfd, config, '--generator', folder)
    assert "needs a generator with conditioning='mask'" in line


@pytest.mark.parametrize('name', ['batch', 'windows', 'repeats'])
def test_a_number_below_1_is_a_one_line_error(
    benchmark, config, tmp_path, capfd, name
):
    arguments = ('--generator', tmp_path, f'--{name}', 0)
    line = line_of(benchmark, capfd, config, *arguments)
    assert line == f'error: {name} must be at least 1, got 0\n'
