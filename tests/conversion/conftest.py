"""A data set to convert, and where to."""

import pytest

from helpers.voc_maker import flat_dataset, write_lists


@pytest.fixture
def src(tmp_path):
    """Ten images of dent and of rust."""
    return flat_dataset(tmp_path / 'src')


@pytest.fixture
def dst(tmp_path):
    return tmp_path / 'dst'


@pytest.fixture
def lists(tmp_path):
    return write_lists(tmp_path / 'lists')
