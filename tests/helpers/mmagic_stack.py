"""Tests that need mmagic, which the classic stack alone has."""

from importlib import import_module

import pytest

from mmdet_ddpm_moco.utils.errors import StackError


def has_mmagic() -> bool:
    try:
        import_module('mmdet_ddpm_moco.interop.mmagic')
    except StackError:
        return False
    return True


def need_mmagic() -> None:
    """Skips a module of tests where mmagic does not run."""
    if not has_mmagic():
        pytest.skip(
            'mmagic runs on the classic stack only (make test-classic)',
            allow_module_level=True,
        )
