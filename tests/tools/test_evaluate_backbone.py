"""tools/evaluate_backbone.py, as it is called."""

import runpy
import sys

import mmdet.apis  # noqa: F401, at its first import it prints a line
import pytest
import torch
from mmengine.config import Config

from helpers.contrastive_images import write_dark_and_bright
from helpers.tiny_moco import CONFIG, build
from mmdet_ddpm_moco.utils.paths import shipped


@pytest.fixture
def files(tmp_path):
    """A config, a backbone and images of bright and of dark defects."""
    write_dark_and_bright(tmp_path)
    cfg = dict(
        default_scope='mmpretrain',
        model=CONFIG,
        train_dataloader=dict(dataset=dict(pipeline=[dict(scale=32)])),
    )
    Config(cfg).dump(tmp_path / 'moco.py')
    torch.save(build(seed=3).backbone.state_dict(), tmp_path / 'b.pth')
    return tmp_path


def call(monkeypatch, *args):
    tool = str(shipped('tools') / 'evaluate_backbone.py')
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, args)])
    runpy.run_path(tool)['main']()


def test_start_and_backbones_are_listed(files, monkeypatch, capsys):
    images = ['--prefix', files, '--background', '0', '-k', '3']
    ann = next(files.glob('*.json'))
    backbone = files / 'b.pth'
    call(monkeypatch, files / 'moco.py', backbone, '--ann', ann, *images)
    first, start, found = capsys.readouterr().out.splitlines()[-3:]
    assert first == (
        'k-NN accuracy of 6 windows of 2 classes; chance is 50.0%'
    )
    assert start.endswith('  initial weights')
    assert found == f' 100.0%  {backbone}'


@pytest.mark.parametrize(
    'args, text',
    [
        (['none.py'], 'no config none.py'),
        (['moco.py', 'none.pth'], 'none.pth is not there'),
        (['moco.py', '--ann', 'none.json'], 'none.json'),
    ],
)
def test_a_missing_file_is_reported_in_one_line(
    files, monkeypatch, capsys, args, text
):
    monkeypatch.chdir(files)
    ann = next(files.glob('*.json'))
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, '--ann', ann, '--prefix', files, *args)
    assert end.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and err.count('\n') == 1
    assert text in err
