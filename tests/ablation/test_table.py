"""The table and the plot of an experiment."""

import runpy
import sys
from pathlib import Path

import cv2
import pytest

from helpers.tiny_experiment import FakeTools, measured
from mmdet_ddpm_moco.ablation.measure import run_experiment
from mmdet_ddpm_moco.ablation.plot import plot_results
from mmdet_ddpm_moco.ablation.table import table, write_between_marks
from mmdet_ddpm_moco.utils.paths import shipped


def test_the_plot_shows_each_variant(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    records = list(measured(experiment).values())
    shown = []
    for chosen in (
        records,
        [r for r in records if r['variant'] == 'baseline'],
    ):
        plot_results(experiment, chosen, experiment.file.with_suffix('.png'))
        shown.append(cv2.imread(str(experiment.file.with_suffix('.png'))))
    assert shown[0].shape == shown[1].shape
    # The second color of matplotlib, orange, is that of the second variant.
    orange = [(abs(p.astype(int) - (14, 127, 255)).max(2) < 9) for p in shown]
    assert orange[0].sum() > 50
    assert not orange[1].any()


def test_the_plot_of_several_numbers_of_images_has_lines(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    more = [
        dict(r, shots=shots)
        for r in measured(experiment).values()
        for shots in (1, 5)
    ]
    object.__setattr__(experiment, 'shots', (1, 5))
    file = experiment.file.with_suffix('.png')
    shown = []
    for chosen in (more, [r for r in more if r['shots'] == 1]):
        plot_results(experiment, chosen, file)
        orange = abs(cv2.imread(str(file)).astype(int) - (14, 127, 255))
        shown.append((orange.max(2) < 9).any(0).sum())
    # A line spans the picture, a dot does not.
    assert shown[0] > 3 * shown[1]


def test_labels_of_its_own_are_no_point_of_the_curve(experiment):
    """A variant with all labels was measured once, beside any number."""
    run_experiment(experiment, command=FakeTools(other=1))
    baseline, other = experiment.variants
    rows = [
        dict(r, shots=shots)
        for r in measured(experiment).values()
        for shots in (1, 5)
        if r['variant'] == baseline.name or shots == 1
    ]
    object.__setattr__(experiment, 'shots', (1, 5))
    object.__setattr__(other, 'own_labels', True)
    file = experiment.file.with_suffix('.png')
    plot_results(experiment, rows, file)
    shown = cv2.imread(str(file)).astype(int)
    assert not (abs(shown - (14, 127, 255)).max(2) < 9).any()  # no dot
    dashes = (abs(shown - 102).max(2) < 9).sum(1).max()  # gray, in one row
    assert dashes > shown.shape[1] / 3


def test_labels_of_its_own_that_are_all_have_a_line(experiment):
    """There is no number of images per class to place them at."""
    run_experiment(experiment, command=FakeTools(other=1))
    _, other = experiment.variants
    rows = [
        dict(r, shots='all' if r['variant'] == other.name else r['shots'])
        for r in measured(experiment).values()
    ]
    object.__setattr__(experiment, 'shots', (1, 5, 'all'))
    object.__setattr__(other, 'own_labels', True)
    file = experiment.file.with_suffix('.png')
    plot_results(experiment, rows, file)
    shown = cv2.imread(str(file)).astype(int)
    dashes = (abs(shown - 102).max(2) < 9).sum(1).max()
    assert dashes > shown.shape[1] / 3


def test_the_table_pairs_variants_by_seed(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    text = table(experiment, list(measured(experiment).values()))
    half = 100 * (1 + 51 / 101) / 2
    row = next(x for x in text.splitlines() if x.startswith('| other'))
    assert f'| {half:.1f} ± 0.0 |' in row
    assert f'| {half - 100:+.1f} |' in row
    assert text.count('| baseline |') == 3  # scores, classes, times
    # Of the stages only those that a run has.
    assert '| variant | images per class | detector |' in text
    records = list(measured(experiment).values())
    timed = [
        dict(r, seconds=dict(r['seconds'], teacher=120, bank=60))
        for r in records
    ]
    with_stages = table(experiment, timed)
    assert '| bank | teacher | detector |' in with_stages
    assert '| 1.0 | 2.0 |' in with_stages
    readme = experiment.file.parent / 'README.md'
    assert not write_between_marks(readme, 'experiment', text)
    readme.write_text(
        'a\n<!-- begin experiment -->\nold\n<!-- end experiment -->\nb\n'
    )
    assert write_between_marks(readme, 'experiment', text)
    written = readme.read_text()
    assert written.startswith('a\n')
    assert written.endswith('-->\nb\n')
    assert 'old' not in written
    assert text in written


def test_another_variant_can_be_the_reference(experiment, monkeypatch, capsys):
    run_experiment(experiment, command=FakeTools(other=1))
    before = sorted(Path().rglob('*'))
    tool = str(shipped('tools') / 'ablation.py')
    asked = [str(experiment.file), '--against', 'other']
    monkeypatch.setattr(sys, 'argv', [tool, *asked])
    runpy.run_path(tool)['main']()
    shown = capsys.readouterr().out
    half = 100 * (1 + 51 / 101) / 2
    assert 'differences from other are' in shown
    row = next(x for x in shown.splitlines() if x.startswith('| baseline'))
    assert f'| {100 - half:+.1f} |' in row
    # It is for reading: no picture, and no table in the README.
    assert sorted(Path().rglob('*')) == before
    with pytest.raises(
        ValueError, match='has no variant oter; it has baseline'
    ):
        experiment.against('oter')


@pytest.mark.parametrize('other', ['--check', '--table', '--only=baseline'])
def test_against_excludes_other_modes(other, monkeypatch, capsys):
    tool = str(shipped('tools') / 'ablation.py')
    asked = ['experiment.py', '--against', 'other', other]
    monkeypatch.setattr(sys, 'argv', [tool, *asked])
    with pytest.raises(SystemExit):
        runpy.run_path(tool)['main']()
    message = capsys.readouterr().err.splitlines()[-1]
    assert 'not allowed with argument' in message
