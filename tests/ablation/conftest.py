"""An experiment of two variants and two seeds, in the current folder."""

import pytest

from helpers.tiny_experiment import make_experiment
from mmdet_ddpm_moco.ablation.experiment import read_experiment


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_experiment(tmp_path)


@pytest.fixture
def experiment(file):
    return read_experiment(file)
