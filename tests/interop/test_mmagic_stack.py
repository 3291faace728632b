"""Where mmagic does not run, one line names the versions that work."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS

import mmdet_ddpm_moco
from helpers.mmagic_stack import has_mmagic
from helpers.tiny_banks import write_generator
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.utils import requirements
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.errors import StackError

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
WORKING = ('mmagic 1.2.0', 'mmcv 2.1.0', 'diffusers 0.28.2', 'Python 3.10')
without_mmagic = pytest.mark.skipif(
    has_mmagic(), reason='mmagic runs on this stack'
)


def assert_names_versions(error):
    text = str(error.value)
    assert all(version in text for version in WORKING), text
    assert '\n' not in text


@without_mmagic
@pytest.mark.parametrize(
    'name', ['DefectDDPMSampler', 'MMagicDenoisingUnet', 'RealDefectWindows']
)
def test_a_class_names_the_versions(name):
    with pytest.raises(StackError) as error:
        getattr(mmdet_ddpm_moco, name)
    assert_names_versions(error)


@without_mmagic
def test_the_config_of_metrics_names_the_versions():
    with pytest.raises(StackError) as error:
        Config.fromfile(CONFIGS / 'mmagic/ddpm_fid-is_neu-det-20shot.py')
    assert_names_versions(error)


@without_mmagic
def test_the_config_of_the_generator_names_the_versions(capsys):
    """MMEngine hides the error of a look-up; the tools find it again."""
    name = 'ddpm_mmagic-unet32_1xb16-3ki_neu-det-20shot.py'
    model = Config.fromfile(CONFIGS / 'ddpm' / name).model
    with pytest.raises(SystemExit):
        one_line_errors(lambda: MODELS.build(model))()
    (line,) = capsys.readouterr().err.splitlines()
    assert all(version in line for version in WORKING), line


@without_mmagic
def test_a_generator_of_its_network_names_the_versions(tmp_path):
    """Not "damaged": its files are all right."""
    folder = write_generator(tmp_path / 'generator')
    file = folder / 'unet' / 'config.json'
    config = json.loads(file.read_text())
    file.write_text(
        json.dumps({**config, '_class_name': 'MMagicDenoisingUnet'})
    )
    with pytest.raises(StackError) as error:
        load_generator(folder)
    assert_names_versions(error)
    # Any other class that a folder names is not looked up.
    file.write_text(json.dumps({**config, '_class_name': 'DefectBank'}))
    with pytest.raises(ValueError, match="unknown U-Net 'DefectBank'"):
        load_generator(folder)


def test_nothing_else_imports_mmagic():
    code = (
        'import sys, mmdet_ddpm_moco as m;'
        '[getattr(m, n) for n in ("DefectDDPM", "DefectBank")];'
        'import mmdet_ddpm_moco.interop;'
        'print("mmagic" in sys.modules)'
    )
    result = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == 'False'


@pytest.mark.parametrize('mmcv', ['2.2.0', '2.3.6', '3.0.0'])
def test_an_mmcv_that_mmagic_refuses(monkeypatch, mmcv):
    monkeypatch.setattr(requirements, 'find_spec', lambda name: name)
    monkeypatch.setattr(requirements.metadata, 'version', lambda name: mmcv)
    with pytest.raises(StackError, match=f'mmcv {mmcv} is installed') as error:
        requirements.check_mmagic()
    assert_names_versions(error)
    monkeypatch.setattr(requirements.metadata, 'version', lambda name: '2.1.0')
    requirements.check_mmagic()


def test_an_mmagic_that_cannot_be_imported(monkeypatch):
    """Such as beside a transformers that it does not know."""
    monkeypatch.setattr(requirements, 'find_spec', lambda name: name)
    monkeypatch.setattr(requirements.metadata, 'version', lambda name: '2.1.0')
    for name in list(sys.modules):
        if name.startswith('mmdet_ddpm_moco.interop.mmagic'):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'mmagic', None)
    monkeypatch.setitem(sys.modules, 'mmagic.models', None)
    with pytest.raises(StackError, match='importing it fails') as error:
        import_module('mmdet_ddpm_moco.interop.mmagic')
    assert_names_versions(error)
