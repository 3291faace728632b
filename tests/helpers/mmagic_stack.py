"""Tests that need mmagic, which the classic stack alone has."""

from importlib.util import find_spec

import pytest


def has_mmagic() -> bool:
    """Whether it is installed; that it can be imported is for the tests."""
    return find_spec('mmagic') is not None


def need_mmagic() -> None:
    """Skips a module of tests where mmagic does not run."""
    if not has_mmagic():
        pytest.skip(
            'mmagic runs on the classic stack only (make test-classic)',
            allow_module_level=True,
        )
