"""The check for OpenMMLab's modules, with a stack that is made up."""

import subprocess
import sys

import pytest

import mmdet_ddpm_moco
from mmdet_ddpm_moco.utils import requirements
from mmdet_ddpm_moco.utils.requirements import (
    OPTIONAL,
    REQUIRED,
    StackError,
    check_module,
    check_stack,
    module_version,
)

EVERY = sorted({**REQUIRED, **OPTIONAL})


@pytest.fixture
def installed(monkeypatch):
    """Makes up what is installed: distributions with their versions."""

    def installed(versions, modules=None) -> None:
        def version(name):
            if name in versions:
                return versions[name]
            raise requirements.metadata.PackageNotFoundError(name)

        present = EVERY if modules is None else modules
        monkeypatch.setattr(requirements.metadata, 'version', version)
        monkeypatch.setattr(
            requirements,
            'find_spec',
            lambda name: name if name in present else None,
        )

    return installed


def test_this_environment_passes():
    check_stack()


@pytest.mark.parametrize('module', EVERY)
def test_a_missing_module(installed, module):
    installed({}, modules=[])
    with pytest.raises(StackError, match='none is installed') as e:
        check_module(module)
    lowest, distributions = {**REQUIRED, **OPTIONAL}[module]
    assert f'{module}>={lowest}' in str(e.value)
    assert f'pip install "{distributions[0]}>={lowest}"' in str(e.value)
    assert '\n' not in str(e.value)
    both = 'do not mix' in str(e.value)
    assert both == (len(distributions) > 1)


@pytest.mark.parametrize('module', EVERY)
def test_the_module_alone_is_not_enough_if_it_is_missing(installed, module):
    # Metadata of something whose module cannot be found.
    installed({'torch': '9', 'mmdet': '9', 'diffusers': '9'}, modules=[])
    assert module_version(module) is None


@pytest.mark.parametrize(
    'version', ['0.9', '0.9.99', '0.2.0', '0.9.10+cpu', '0.9.10rc10', '0.1']
)
def test_too_old(installed, version):
    installed({'mmengine': version})
    with pytest.raises(StackError) as e:
        check_module('mmengine')
    assert f'{version} is installed' in str(e.value)
    assert 'mmengine>=0.10' in str(e.value)


@pytest.mark.parametrize(
    'version',
    ['0.10', '0.10.0', '0.10.12', '0.11', '1.0', '1.0.0rc1', '0.10.7+local.1'],
)
def test_new_enough(installed, version):
    installed({'mmengine': version})
    check_module('mmengine')
    assert module_version('mmengine') == version


@pytest.mark.parametrize('number', range(3))
def test_any_of_the_distributions_may_provide_it(installed, number):
    name = REQUIRED['mmcv'][1][number]
    installed({name: '2.2.0'})
    assert module_version('mmcv') == '2.2.0'
    check_module('mmcv')
    installed({name: '1.7.2'})
    with pytest.raises(StackError, match=r'1\.7\.2 is installed'):
        check_module('mmcv')


def test_a_build_under_no_known_name_is_trusted(installed):
    installed({})
    assert module_version('mmdet') == ''
    check_module('mmdet')


@pytest.mark.parametrize('module', sorted(REQUIRED))
def test_the_whole_stack_needs_each_required_module(installed, module):
    others = [name for name in REQUIRED if name != module]
    installed({}, modules=others)
    with pytest.raises(StackError, match=f'needs {module}>='):
        check_stack()


def test_the_optional_ones_are_not_needed(installed):
    installed({}, modules=list(REQUIRED))
    check_stack()


class TestPackage:
    def test_a_class_asks_for_what_it_needs(self, installed):
        installed({}, modules=list(REQUIRED))
        with pytest.raises(StackError, match=r'needs mmpretrain>=1\.0'):
            _ = mmdet_ddpm_moco.DatasetMoCo
        with pytest.raises(StackError, match=r'needs diffusers>='):
            _ = mmdet_ddpm_moco.DefectDDPM
        # MMEngine's look-up would take an ImportError for an unknown type.
        assert not issubclass(StackError, ImportError)

    def test_reading_a_bank_needs_none_of_them(self, installed):
        installed({}, modules=list(REQUIRED))
        assert mmdet_ddpm_moco.DefectBank.__name__ == 'DefectBank'

    def test_an_unknown_name(self):
        with pytest.raises(AttributeError, match='NoSuchThing'):
            _ = mmdet_ddpm_moco.NoSuchThing

    def test_checking_imports_nothing_heavy(self):
        code = (
            'import sys, mmdet_ddpm_moco;'
            f'print([m for m in {EVERY!r} if m in sys.modules])'
        )
        result = subprocess.run(
            [sys.executable, '-c', code],
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.strip() == '[]'
