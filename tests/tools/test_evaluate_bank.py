"""tools/evaluate_bank.py: a wrong input is reported in one line."""

import runpy
import sys

import mmdet.apis  # noqa: F401, at its first import it prints a line
import pytest
import torch

from helpers.made_bank import write_bank, write_images
from mmdet_ddpm_moco.utils import requirements
from mmdet_ddpm_moco.utils.paths import shipped

DETECTOR = """
model = dict(type='NoModel')
test_dataloader = dict(
    dataset=dict(type='CocoDataset', metainfo=dict(classes=('a', 'b'))))
"""


@pytest.fixture
def files(tmp_path):
    """A bank, its images and the config of a generator."""
    paths = write_images(tmp_path / 'data', number=2)
    write_bank(tmp_path / 'bank', paths[1], number=2)
    dataset = dict(ann_file=str(paths[0]), img_prefix=str(paths[1]))
    config = tmp_path / 'ddpm.py'
    config.write_text(f'train_dataloader = dict(dataset={dataset!r})\n')
    (tmp_path / 'judge.py').write_text(DETECTOR)
    torch.save(dict(state_dict=dict(x=torch.ones(1))), tmp_path / 'judge.pth')
    (tmp_path / 'wrong.pth').write_bytes(b'no weights')
    return tmp_path


def error_line(monkeypatch, capsys, *args) -> str:
    """The only line that the tool prints before it ends with code 1."""
    tool = shipped('tools') / 'evaluate_bank.py'
    monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, args)])
    main = runpy.run_path(str(tool))['main']
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    out, err = capsys.readouterr()
    assert out == '' and err.startswith('error: ') and err.count('\n') == 1
    return err


@pytest.mark.parametrize(
    'args, text',
    [
        (['--bank', 'none'], 'the defect bank none is not there'),
        (['--real-ann', 'none.json'], 'no annotations at none.json'),
        (['--features', 'none.pth'], 'checkpoint none.pth is not there'),
        (['--features', '{}/wrong.pth'], 'is refused: it is damaged'),
        (['--features', '{}/judge.pth'], 'nor the weights of the Inception'),
        (['--judge', 'none.py', '{}/judge.pth'], 'no config none.py'),
        (['--judge', '{}/judge.py', 'none.pth'], 'none.pth is not there'),
        (['--judge', '{}/judge.py', '{}/judge.pth'], 'has the classes a, b'),
        ([], 'there are 6 synthesized windows'),
    ],
)
def test_wrong_inputs(files, monkeypatch, capsys, args, text):
    args = [a.format(files) for a in args]
    # The extractor is not tested here, and slow.
    if '--features' not in args:
        monkeypatch.setattr(
            'mmdet_ddpm_moco.evaluation.features.lite0_features',
            lambda: None,
        )
    options = ['--bank', files / 'bank', *args]
    assert text in error_line(monkeypatch, capsys, files / 'ddpm.py', *options)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('x = 1', 'no config of a generator'),
        ('train_dataloader = dict(dataset=dict(type="A"))', 'no config of a'),
    ],
)
def test_another_config(files, monkeypatch, capsys, text, expected):
    (files / 'other.py').write_text(text)
    options = [files / 'other.py', '--bank', files / 'bank']
    assert expected in error_line(monkeypatch, capsys, *options)


@pytest.mark.parametrize(
    'given', [[], ['--real-ann', 'x.json'], ['--judge', 'x.py', 'x.pth']]
)
def test_training_on_the_bank_needs_a_judge_and_real_images(
    monkeypatch, capsys, given
):
    tool = str(shipped('tools') / 'evaluate_bank.py')
    options = ['ddpm.py', '--bank', 'bank', '--train-on-bank', *given]
    monkeypatch.setattr(sys, 'argv', [tool, *options])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool)['main']()
    assert end.value.code == 2
    assert 'needs --judge and --real-ann' in capsys.readouterr().err


def test_a_judge_that_cannot_be_trained_is_refused_before_the_evaluation(
    files, monkeypatch, capsys
):
    """An evaluation would refuse this bank for its few windows."""
    monkeypatch.setattr(
        'mmdet_ddpm_moco.evaluation.features.lite0_features', lambda: None
    )
    monkeypatch.setattr(
        'mmdet_ddpm_moco.evaluation.judge.load_judge', lambda *_: None
    )
    judge = files / 'judge.py'
    real = next((files / 'data').glob('*.json'))
    options = ['--judge', judge, files / 'judge.pth', '--real-ann', real]
    options += ['--bank', files / 'bank', '--train-on-bank']
    line = error_line(monkeypatch, capsys, files / 'ddpm.py', *options)
    assert 'judge.py reads 0 annotation files for test' in line


def test_without_torch_fidelity(files, monkeypatch, capsys):
    find = requirements.find_spec
    monkeypatch.setattr(
        requirements,
        'find_spec',
        lambda n: None if n == 'torch_fidelity' else find(n),
    )
    options = [files / 'ddpm.py', '--bank', files / 'bank']
    line = error_line(monkeypatch, capsys, *options)
    assert 'pip install "torch-fidelity>=0.4"' in line
