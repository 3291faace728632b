"""What the command line asks for is what is synthesized."""

import runpy
import subprocess
import sys

import pytest

from mmdet_ddpm_moco.synthesis import generator, run
from mmdet_ddpm_moco.synthesis.settings import BankOptions
from mmdet_ddpm_moco.utils.paths import shipped


@pytest.fixture
def command(monkeypatch):
    """Runs the tool with options; returns what is to be synthesized."""

    def run_tool(options):
        asked = {}

        def synthesize_bank(*_, **options):
            asked.update(options)
            return dict(kept=8, rejected={}, kinds={})

        monkeypatch.setattr(run, 'synthesize_bank', synthesize_bank)
        monkeypatch.setattr(generator, 'load_generator', lambda _: None)
        tool = str(shipped('tools') / 'synthesize.py')
        config = shipped('configs') / 'ddpm'
        config /= 'ddpm_unet32_1xb16-3ki_neu-det-20shot.py'
        options = f'{config} --generator g --out b --num 8 {options}'
        monkeypatch.setattr(sys, 'argv', [tool, *options.split()])
        runpy.run_path(tool)['main']()
        return asked

    return run_tool


def test_options_reach_the_bank(command):
    assert command(
        '--sampler ddim --num-inference-steps 3 --guidance-scale 2 '
        '--strength 0.7 --max-window 48 --seed 5 --mix add=0.4 null=0.6 '
        '--per-class scratches=3 crazing=0 --missed 0.3'
    ) == dict(
        num=8,
        sampler='ddim',
        num_inference_steps=3,
        guidance_scale=2.0,
        strength=0.7,
        max_window=48,
        seed=5,
        mix=dict(add=0.4, null=0.6),
        per_class=dict(scratches=3.0, crazing=0.0),
        missed=0.3,
        judge=None,
        device=None,
    )


def test_defaults_are_those_of_the_bank(command):
    defaults = vars(BankOptions())
    assert command('') == dict(num=8, judge=None, device=None, **defaults)


def test_options_are_read_without_torch():
    """So that ``--help`` is fast, and stages do not need diffusers."""
    code = (
        'import sys, mmdet_ddpm_moco.synthesis.settings\n'
        "assert not {'torch', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, '-c', code], check=True)
