"""A plain install runs without the clone: sdist, wheel, tools, configs."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement

from helpers.tiny_detection import HOOK, write_bank, write_images
from mmdet_ddpm_moco.datasets.aluminium_plate_dataset import (
    AluminiumPlateDataset,
)
from mmdet_ddpm_moco.utils.paths import shipped

ROOT = shipped('tools').parent
FOLDERS = ('mmdet_ddpm_moco', 'configs', 'tools', 'benchmarks')
FILES = (
    'setup.py',
    'MANIFEST.in',
    'pyproject.toml',
    'model-index.yml',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'CITATION.cff',
)
BUILD_SDIST = """
import sys
from setuptools import build_meta
build_meta.build_sdist(sys.argv[1])
"""
# All tools in one process; each prints its options, and its name after it.
HELP = """
import runpy, sys
from pathlib import Path
import mmdet_ddpm_moco
package = Path(mmdet_ddpm_moco.__file__).parent
print('package', package)
for tool in sorted((package / '.mim/tools').glob('*.py')):
    sys.argv = [str(tool), '--help']
    try:
        runpy.run_path(str(tool), run_name='__main__')
    except SystemExit as end:
        print('ended', tool.name, end.code)
"""


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """The names in the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp('built')
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name,
            folder / 'source' / name,
            ignore=shutil.ignore_patterns('__pycache__', '*.egg-info'),
        )
    for name in FILES:
        shutil.copy(ROOT / name, folder / 'source')
    subprocess.run(
        [sys.executable, '-c', BUILD_SDIST, folder],
        cwd=folder / 'source',
        check=True,
        capture_output=True,
    )
    (sdist,) = folder.glob('*.tar.gz')
    # A build from it cannot find what it lacks.
    shutil.rmtree(folder / 'source')
    options = ['--no-deps', '--no-build-isolation', '--quiet']
    pip = [sys.executable, '-m', 'pip']
    subprocess.run([*pip, 'wheel', *options, '-w', folder, sdist], check=True)
    (wheel,) = folder.glob('*.whl')
    with tarfile.open(sdist) as archive:
        return archive.getnames(), wheel


@pytest.fixture(scope='module')
def site(built, tmp_path_factory):
    """A folder into which the wheel is installed."""
    site = tmp_path_factory.mktemp('site')
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps']
    subprocess.run(
        [*pip, '--no-compile', '--target', site, built[1]], check=True
    )
    return site


def run(site, cwd, *command):
    """Runs Python with the installed package before all others."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env=dict(os.environ, PYTHONPATH=str(site), OMP_NUM_THREADS='1'),
    )


def test_wheel_ships_configs_and_tools(built):
    names = set(zipfile.ZipFile(built[1]).namelist())
    shipped_files = [
        file
        for folder in ('configs', 'tools')
        for suffix in ('py', 'sh', 'txt', 'yml', 'md')
        for file in (ROOT / folder).rglob(f'*.{suffix}')
    ]
    for file in (*shipped_files, ROOT / 'model-index.yml'):
        place = file.relative_to(ROOT).as_posix()
        assert f'mmdet_ddpm_moco/.mim/{place}' in names
    modules = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / 'mmdet_ddpm_moco').rglob('*.py')
    ]
    assert set(modules) <= names
    assert 'mmdet_ddpm_moco/py.typed' in names
    templates = ROOT / 'mmdet_ddpm_moco' / 'report_page' / 'templates'
    for file in templates.iterdir():
        assert file.relative_to(ROOT).as_posix() in names
    assert not any(name.startswith(('benchmarks', 'tests')) for name in names)
    metadata = next(n for n in names if n.endswith('METADATA'))
    text = zipfile.ZipFile(built[1]).read(metadata).decode()
    required = [
        line
        for line in text.splitlines()
        if line.startswith('Requires-Dist') and 'extra ==' not in line
    ]
    # Two distributions provide each of these modules.
    for module in ('torch', 'mmdet', 'mmcv', 'mmengine', 'mmpretrain'):
        assert not any(module in line for line in required)


def test_scipy_is_new_enough():
    """Teachers need its isotonic_regression."""
    (required,) = re.findall("'(scipy.*?)'", (ROOT / 'setup.py').read_text())
    versions = Requirement(required).specifier
    assert '1.11.4' not in versions
    assert '1.12.0' in versions


def test_sdist_has_no_more_than_it_needs(built):
    tops = {name.split('/')[1] for name in built[0] if '/' in name}
    tops -= {'PKG-INFO', 'setup.cfg', 'mmdet_ddpm_moco.egg-info'}
    assert tops == {*FOLDERS, *FILES}
    assert not any(name.endswith('.pyc') for name in built[0])


@pytest.mark.slow
def test_every_tool_says_its_options(site, tmp_path):
    done = run(site, tmp_path, '-c', HELP)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f'package {site / "mmdet_ddpm_moco"}' in done.stdout
    ended = re.findall(r'^ended (\S+) (\S+)$', done.stdout, re.MULTILINE)
    tools = {file.name for file in (ROOT / 'tools').glob('*.py')}
    assert dict(ended) == dict.fromkeys(tools, '0')
    for script in (ROOT / 'tools').glob('*.sh'):
        installed = site / 'mmdet_ddpm_moco/.mim/tools' / script.name
        assert os.access(installed, os.X_OK)


def quick_options():
    """The demo's baseline, short, with a bank by the command line."""
    options = {
        'train_cfg.max_iters': 2,
        'test_evaluator.ann_file': 'data/train.json',
        'default_hooks.ddpm_moco.type': HOOK,
        'default_hooks.ddpm_moco.bank': 'bank',
        'default_hooks.ddpm_moco.allow_leakage': True,
    }
    for part in ('train', 'test'):
        loader = f'{part}_dataloader'
        options[f'{loader}.dataset.data_root'] = 'data'
        options[f'{loader}.dataset.ann_file'] = 'train.json'
        options[f'{loader}.num_workers'] = 0
        options[f'{loader}.persistent_workers'] = False
    return ['--cfg-options', *(f'{k}={v}' for k, v in options.items())]


@pytest.mark.slow
def test_a_shipped_config_is_trained_and_tested(site, tmp_path):
    classes = AluminiumPlateDataset.METAINFO['classes']
    write_images(tmp_path / 'data', classes=classes)
    write_bank(tmp_path / 'bank', tmp_path / 'data', classes=classes)
    tools = site / 'mmdet_ddpm_moco/.mim/tools'
    common = ['--work-dir', 'run', *quick_options()]
    # As in README's commands, which name configs from the root of a clone.
    config = 'configs/demo/faster-rcnn_baseline.py'
    done = run(site, tmp_path, tools / 'train.py', config, *common)
    assert done.returncode == 0, done.stderr[-3000:]
    assert '4 of 4 windows are on 4 of its 4 images' in done.stderr + (
        done.stdout
    )
    weights = tmp_path / 'run/iter_2.pth'
    assert weights.is_file()
    config = 'demo/faster-rcnn_baseline.py'
    done = run(site, tmp_path, tools / 'test.py', config, weights, *common)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'coco/bbox_mAP' in done.stderr + done.stdout


@pytest.mark.slow
@pytest.mark.skipif(find_spec('mim') is None, reason='needs openmim')
def test_mim_finds_tools_and_configs(site, tmp_path):
    """What it starts is the training, which says what it lacks."""
    command = ['-m', 'mim', 'train', 'mmdet_ddpm_moco']
    config = 'faster-rcnn_baseline.py'
    missing = 'train_dataloader.dataset.ann_file=none.json'
    options = ['--gpus', '0', '--cfg-options', missing]
    options.append('train_dataloader.dataset.type=CocoDataset')
    done = run(site, tmp_path, *command, config, *options)
    assert done.returncode != 0
    assert str(site / 'mmdet_ddpm_moco/.mim/tools/train.py') in done.stdout
    assert 'error: no annotations at' in done.stderr
