"""Mistakes in an experiment file are one line."""

import pytest

from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs


@pytest.mark.parametrize(
    'old, new, named',
    [
        ("'baseline.py'", "'none.py'", 'no config none.py'),
        ("reference = 'baseline'", "reference = 'best'", "'best'"),
        ('seeds = [0, 1]', 'seeds = [0.5]', r'seeds of .*\[0\.5\]'),
        ('shots = [1]', 'shots = []', r'shots of .*\[\]'),
        ('seeds = [0, 1]', '', 'lacks seeds'),
        ('resamples', 'resample', 'unknown resample;'),
        ('resamples = 20', 'checkpoints = 0', r'checkpoints of .*\[0\]'),
        ("='other.py'", "=dict(conf='other.py')", 'variant other'),
        ("data_root = 'data'", "data_root = 'gone'", r'prepare_dataset\.py'),
    ],
)
def test_an_invalid_experiment_is_a_one_line_error(file, old, new, named):
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises((ValueError, FileNotFoundError), match=named) as error:
        prepare_runs(read_experiment(file))
    assert '\n' not in str(error.value)


def test_an_unknown_variant_is_an_error_with_the_choices(file):
    with pytest.raises(
        ValueError, match='no variant bst; it has baseline, other'
    ):
        read_experiment(file).runs(['bst'])


def test_a_variant_is_not_to_leave_parts_out_by_itself(file):
    variant = file.parent / 'other.py'
    variant.write_text(
        variant.read_text() + "\nstages = dict(root='x', admission=dict())\n"
    )
    with pytest.raises(ValueError, match=r'other has stages\.admission'):
        prepare_runs(read_experiment(file))
