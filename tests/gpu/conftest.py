"""Tests of a GPU against the CPU, in float32 proper.

Where there is no GPU they are skipped; those that compare a device with the
CPU then run with the CPU on both sides, which keeps them in working order.
"""

import pytest
import torch


def pytest_collection_modifyitems(items):
    for item in items:
        if 'tests/gpu' in str(item.path).replace('\\', '/'):
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(params=['cpu', 'cuda'])
def device(request):
    """The device under test: a GPU, and the CPU where there is none."""
    if request.param == 'cuda' and not torch.cuda.is_available():
        pytest.skip('there is no GPU')
    if request.param == 'cpu' and torch.cuda.is_available():
        pytest.skip('there is a GPU: the CPU is not compared with itself')
    return request.param


@pytest.fixture
def gpu():
    """A GPU; the test is skipped where there is none."""
    if not torch.cuda.is_available():
        pytest.skip('there is no GPU')
    return 'cuda'


@pytest.fixture(autouse=True)
def exact_float32():
    """No TF32, whose products have ten bits, and no other algorithms."""
    backends = torch.backends
    before = (
        backends.cuda.matmul.allow_tf32,
        backends.cudnn.allow_tf32,
        backends.cudnn.benchmark,
        backends.cudnn.deterministic,
    )
    backends.cuda.matmul.allow_tf32 = False
    backends.cudnn.allow_tf32 = False
    backends.cudnn.benchmark = False
    backends.cudnn.deterministic = True
    yield
    (
        backends.cuda.matmul.allow_tf32,
        backends.cudnn.allow_tf32,
        backends.cudnn.benchmark,
        backends.cudnn.deterministic,
    ) = before
