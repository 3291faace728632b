"""The command line with a tiny model."""

import json
import sys

import cv2
import pytest
import torch

from benchmarks.speed import pretraining, views
from benchmarks.speed.pretraining import PARTS
from benchmarks.speed.views import moment_rows, write_large
from helpers.tiny_pretrain import MODEL, write_pretrain
from helpers.tiny_synthesis import write_images

LAYOUTS = ('bf16 autocast', 'fp32, channels_last')
LAYOUTS += ('bf16 autocast, channels_last',)
ROWS = [
    *(
        ('pipeline', f'{images}: {what}')
        for images in ('as they are', '96x40')
        for what in (
            'mmpretrain',
            'TwoViews',
            'TwoViews against mmpretrain',
            'difference of the mean',
            'difference of the deviation',
        )
    ),
    ('step', 'DatasetMoCo'),
    ('step', 'DatasetMoCo against mmpretrain'),
    ('step', 'DatasetMoCo against lightly'),
    ('step', 'DatasetMoCo: share outside of the backbones'),
    ('step', 'DatasetMoCo: copies of the queue'),
    ('precision', 'fp32'),
    *(('precision', f'{n}{m}') for n in LAYOUTS for m in ('', ': difference')),
]


@pytest.fixture
def benchmark(monkeypatch):
    def run(*arguments):
        command = ['pretraining', *map(str, arguments)]
        monkeypatch.setattr(sys, 'argv', command)
        pretraining.main()

    return run


def test_every_part_is_in_the_table_and_in_the_json(
    benchmark, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(views, 'LARGE', (96, 40))
    monkeypatch.setitem(sys.modules, 'lightly', None)
    out = tmp_path / 'new' / 'speed.json'
    config = write_pretrain(tmp_path)
    benchmark(
        config,
        *('--out', out, '--images', 2, '--repeats', 1, '--device', 'cpu'),
    )
    printed = capfd.readouterr().out
    found = json.loads(out.read_text())
    rows = found['rows']
    assert [(row['part'], row['measured']) for row in rows] == ROWS
    assert tuple(dict.fromkeys(r['part'] for r in rows)) == PARTS
    for row in rows:
        assert f'| {row["part"]} | {row["measured"]} | ' in printed
    assert {r['measured']: r['least'] for r in rows if r['least']} == {
        'as they are: TwoViews against mmpretrain': 2,
        '96x40: TwoViews against mmpretrain': 3,
        'DatasetMoCo against mmpretrain': 1,
        'DatasetMoCo against lightly': 1,
    }
    by_name = {row['measured']: row for row in rows}
    value = {name: row['value'] for name, row in by_name.items()}
    for images in ('as they are', '96x40'):
        theirs, ours = (
            value[f'{images}: {kind}'] for kind in ('mmpretrain', 'TwoViews')
        )
        ratio = value[f'{images}: TwoViews against mmpretrain']
        assert ratio == pytest.approx(ours / theirs)
    assert 0 < value['DatasetMoCo: share outside of the backbones'] < 1
    assert value['DatasetMoCo: copies of the queue'] == 0
    turned, reduced = (
        value[f'{name}: difference']
        for name in ('fp32, channels_last', 'bf16 autocast')
    )
    assert turned < 1e-3 < reduced < 2
    lightly = by_name['DatasetMoCo against lightly']
    assert lightly['value'] is None
    assert 'pip install --no-deps lightly' in lightly['how']
    assert found['setting']['clock'] == 'CPU time'
    assert found['setting']['batch'] == 4
    assert found['setting']['views'] == '32x32'


def test_a_single_part_needs_no_images(benchmark, tmp_path, capfd):
    config = write_pretrain(tmp_path)
    for image in (tmp_path / 'data' / 'images').iterdir():
        image.unlink()
    benchmark(config, '--only', 'step', '--repeats', 1, '--batch', 2)
    lines = capfd.readouterr().out.splitlines()
    parts = {x.split(' | ')[0] for x in lines if x[:2] == '| '}
    assert parts == {'| part', '| ---', '| step'}


def line_of(benchmark, capfd, *arguments):
    with pytest.raises(SystemExit) as e:
        benchmark(*arguments)
    assert e.value.code == 1
    out, err = capfd.readouterr()
    assert out == ''
    return err.splitlines()[-1]


@pytest.mark.parametrize('name', ['images', 'batch', 'repeats'])
def test_a_number_below_1_is_a_one_line_error(
    benchmark, tmp_path, capfd, name
):
    line = line_of(benchmark, capfd, write_pretrain(tmp_path), f'--{name}', 0)
    assert line == f'error: {name} must be at least 1, got 0'


def test_batches_unfit_for_mmpretrain_are_an_error(benchmark, tmp_path, capfd):
    line = line_of(benchmark, capfd, write_pretrain(tmp_path), '--batch', 5)
    assert 'batches that divide queue_len=16, got 5' in line


def test_another_model_is_an_error(benchmark, tmp_path, capfd):
    options = ('--cfg-options', 'model.type=MoCo')
    line = line_of(benchmark, capfd, write_pretrain(tmp_path), *options)
    assert (
        line == 'error: needs the config of a DatasetMoCo, its model is MoCo'
    )


def test_options_change_the_config(benchmark, tmp_path, capfd):
    options = ('--cfg-options', f'model.queue_len={MODEL["queue_len"] * 2}')
    only = ('--only', 'step', '--repeats', 1)
    benchmark(write_pretrain(tmp_path), *only, *options)
    assert 'in a step, of (8, 32)' in capfd.readouterr().out


def test_large_images_are_the_given_ones_enlarged(tmp_path):
    _, folder = write_images(tmp_path / 'data')
    files = sorted(str(file) for file in folder.iterdir())
    large = write_large(files, tmp_path)
    assert len(large) == len(files)
    image = cv2.imread(large[0])
    assert image.shape == (1000, 2048, 3)
    small = cv2.resize(image[:, :1000], (48, 48), interpolation=cv2.INTER_AREA)
    error = abs(small.astype(int) - cv2.imread(files[0])).mean()
    assert error < 20 < abs(small.astype(int) - cv2.imread(files[1])).mean()


def test_moments_are_compared_in_gray_levels():
    theirs = [torch.tensor([[0, 10]], dtype=torch.uint8)] * 2
    ours = [torch.tensor([[3, 11]], dtype=torch.uint8)] * 2
    mean, deviation = moment_rows('x', lambda: theirs, lambda: ours)
    assert mean.value == pytest.approx(2) and mean.met is False
    # Of 0, 10, 0, 10 it is 10 / sqrt(3), of 3, 11, 3, 11 it is 8 / sqrt(3).
    assert deviation.value == pytest.approx(2 / 3**0.5)
    assert 'mmpretrain 5.00, TwoViews 7.00' in mean.how
