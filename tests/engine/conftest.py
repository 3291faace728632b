"""Inputs of detectors: images, a bank on them, weights of a backbone."""

import pytest

from helpers.tiny_detection import KeepBoxesHook, write_bank, write_images
from helpers.tiny_runs import random_weights, resnet, save
from helpers.tiny_stages import make_stages_quick
from helpers.tiny_teachers import Tools
from helpers.tool_runs import Job
from mmdet_ddpm_moco.engine import teacher_stage


@pytest.fixture
def data(tmp_path):
    """Root of labeled images."""
    return write_images(tmp_path / 'data')


@pytest.fixture
def bank(tmp_path, data):
    """A defect bank on the images of `data`."""
    return write_bank(tmp_path / 'bank', data)


@pytest.fixture
def source(tmp_path):
    """A file of weights and what is in it."""
    weights = random_weights(resnet())
    return save(weights, tmp_path / 'moco.pth'), weights


@pytest.fixture
def other(tmp_path):
    """The file of another backbone, which conflicts with `source`."""
    return save(random_weights(resnet(), seed=1), tmp_path / 'other.pth')


@pytest.fixture
def job(tmp_path):
    """A tiny training whose boxes are counted."""
    KeepBoxesHook.counts = {}
    return Job(tmp_path)


@pytest.fixture
def log(monkeypatch):
    """Stages that are made quickly; what they log is in the list."""
    return make_stages_quick(monkeypatch)


@pytest.fixture
def tools(monkeypatch):
    """Trains and tests teachers in this process; lists the trained ones."""
    tools = Tools()
    monkeypatch.setattr(teacher_stage, 'run_logged', tools)
    return tools
