"""Inputs of detectors: images, a bank on them, weights of a backbone."""

import pytest

from helpers.tiny_detection import KeepBoxesHook, write_bank, write_images
from helpers.tiny_runs import random_weights, resnet, save
from helpers.tool_runs import Job


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
