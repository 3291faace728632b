"""What all tests share: one thread, quick configs, and where real data is."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch


def pytest_configure():
    # On tensors this small, threads only wait for each other; and a process
    # that has started threads cannot be forked.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope='session')
def unformatted_configs():
    """Dumps configs unformatted: formatting is most of a short run's time."""
    with pytest.MonkeyPatch.context() as patch:
        # Without a library of yapf's, configs are formatted after all.
        with suppress(ImportError):
            patch.setattr(
                'yapf.yapflib.yapf_api.FormatCode',
                lambda text, **_: (text, True),
            )
        yield


@pytest.fixture
def neu_det_root():
    """The folder of the real NEU-DET; the test is skipped without it."""
    root = os.environ.get('NEU_DET_ROOT')
    if not root:
        pytest.skip('NEU_DET_ROOT is not set')
    return Path(root)
