"""The transform under test, on a bank in the folder of the test."""

from functools import partial

import pytest

from helpers.painted_windows import make_augment


@pytest.fixture
def augment(tmp_path):
    """Makes a `DiffusionDefectAugment` from windows and options."""
    return partial(make_augment, tmp_path)
