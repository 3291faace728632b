"""An experiment of two variants and two seeds, in the current folder."""

import pytest

from helpers.tiny_experiment import make_experiment
from mmdet_ddpm_moco.ablation.experiment import read_experiment


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return read_experiment(make_experiment(tmp_path))
