"""A plain install ships configs and tools where mim looks for them."""

import shutil
import subprocess
import sys
import zipfile

from mmdet_ddpm_moco.utils.paths import shipped

ROOT = shipped('tools').parent


def test_wheel_ships_configs_and_tools(tmp_path):
    source = tmp_path / 'source'
    source.mkdir()
    for name in ('mmdet_ddpm_moco', 'configs', 'tools'):
        shutil.copytree(
            ROOT / name,
            source / name,
            ignore=shutil.ignore_patterns('__pycache__'),
        )
    for name in (
        'setup.py',
        'pyproject.toml',
        'model-index.yml',
        'README.md',
        'LICENSE',
    ):
        shutil.copy(ROOT / name, source)
    command = ['wheel', '--no-deps', '--no-build-isolation', '--quiet', '-w']
    subprocess.run(
        [sys.executable, '-m', 'pip', *command, tmp_path, source], check=True
    )
    (wheel,) = tmp_path.glob('*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped_files = [
        file
        for folder in ('configs', 'tools')
        for suffix in ('py', 'sh', 'txt', 'yml')
        for file in (ROOT / folder).rglob(f'*.{suffix}')
    ]
    for file in (*shipped_files, ROOT / 'model-index.yml'):
        place = file.relative_to(ROOT).as_posix()
        assert f'mmdet_ddpm_moco/.mim/{place}' in names
    assert 'mmdet_ddpm_moco/py.typed' in names
    templates = ROOT / 'mmdet_ddpm_moco' / 'report_page' / 'templates'
    for file in templates.iterdir():
        assert file.relative_to(ROOT).as_posix() in names
    assert not any(name.startswith(('benchmarks', 'tests')) for name in names)
    metadata = next(n for n in names if n.endswith('METADATA'))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    required = [
        line
        for line in text.splitlines()
        if line.startswith('Requires-Dist') and 'extra ==' not in line
    ]
    # Two distributions provide each of these modules.
    for module in ('torch', 'mmdet', 'mmcv', 'mmengine', 'mmpretrain'):
        assert not any(module in line for line in required)
