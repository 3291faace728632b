"""Detectors that are tested once more, with test-time augmentation."""

import pytest

from helpers.tiny_experiment import FakeTools, measured
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import run_experiment
from mmdet_ddpm_moco.ablation.table import table


def change(experiment, text):
    file = experiment.file
    old = "other='other.py'"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, text))
    return read_experiment(file)


@pytest.fixture
def flips(experiment):
    return change(
        experiment,
        "other=dict(config='other.py', seeds=[0], note='another'), "
        "flips=dict(tta_of='other')",
    )


def test_the_same_detectors_are_tested(flips):
    tools = FakeTools(other=2, tta=1)
    run_experiment(flips, command=tools)
    assert tools.trained() == ['baseline_1_0', 'other_1_0', 'baseline_1_1']
    tests = [call for call in tools.calls if 'test.py' in call[1]]
    assert ['--tta' in call for call in tests] == [False, False, True, False]
    assert tests[1][2:4] == tests[2][2:4]  # config and checkpoint
    assert tests[1] != tests[2][:-1]  # where the detections are written
    scores = {name: r['AP50'] for name, r in measured(flips).items()}
    assert scores['other_1_0'] < scores['flips_1_0'] < 100
    run_experiment(flips, command=tools)
    assert len(tools.calls) == 7


@pytest.mark.parametrize('only', [('flips',), ('flips', 'baseline')])
def test_they_are_trained_if_they_were_not(flips, only):
    tools = FakeTools(other=2, tta=1)
    run_experiment(flips, only=only, command=tools)
    assert 'other_1_0' in tools.trained()
    run_experiment(flips, command=tools)
    assert len(tools.trained()) == 3


def test_the_table_marks_them(flips):
    run_experiment(flips, command=FakeTools(other=2, tta=1))
    text = table(flips, list(measured(flips).values()))
    assert '| flips§ |' in text
    assert '- §: tested with test-time augmentation' in text
    assert 'other: another' in text and 'flips§: another' not in text


def test_both_are_made_from_one_variant(experiment, flips):
    tools = FakeTools(other=2, tta=1)
    run_experiment(flips, command=tools)
    without = change_back(flips)
    with pytest.raises(ValueError, match='measured with other settings'):
        measured(without)


def change_back(experiment):
    """The variant as one of its own, with the same name."""
    file = experiment.file
    text = file.read_text().replace("tta_of='other'", "config='other.py'")
    file.write_text(text)
    return read_experiment(file)


@pytest.mark.parametrize('other', ['nothing', 'flips'])
def test_there_must_be_such_a_variant(experiment, other):
    with pytest.raises(ValueError, match='no variant that is trained') as e:
        change(experiment, f"flips=dict(tta_of='{other}')")
    assert other in str(e.value) and '\n' not in str(e.value)
