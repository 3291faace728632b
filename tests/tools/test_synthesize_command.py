"""What the command line asks for is what is synthesized."""

import inspect
import runpy
import sys

from mmdet_ddpm_moco.engine.stages import BANK_OPTIONS
from mmdet_ddpm_moco.synthesis import generator, run
from mmdet_ddpm_moco.synthesis.settings import bank_settings
from mmdet_ddpm_moco.utils.paths import shipped


def test_options_reach_the_bank(monkeypatch):
    asked = {}

    def synthesize_bank(*_, **options):
        asked.update(options)
        return dict(kept=8, rejected={}, kinds={})

    monkeypatch.setattr(run, 'synthesize_bank', synthesize_bank)
    monkeypatch.setattr(generator, 'load_generator', lambda _: None)
    tool = str(shipped('tools') / 'synthesize.py')
    config = str(
        shipped('configs') / 'ddpm' / 'ddpm_unet32_1xb16-3ki_neu-det-20shot.py'
    )
    options = '--generator g --out b --num 8 --sampler ddim --steps 3 '
    options += '--guidance 2 --strength 0.7 --max-window 48 --seed 5 '
    options += '--mix add=0.4 null=0.6 --per-class scratches=3 crazing=0'
    monkeypatch.setattr(sys, 'argv', [tool, config, *options.split()])
    runpy.run_path(tool)['main']()
    assert asked == dict(
        num=8,
        sampler='ddim',
        steps=3,
        guidance=2.0,
        strength=0.7,
        max_window=48,
        seed=5,
        mix=dict(add=0.4, null=0.6),
        per_class=dict(scratches=3.0, crazing=0.0),
        judge=None,
        device=None,
    )


def test_a_stage_takes_all_settings_of_a_bank():
    settings = set(inspect.signature(bank_settings).parameters)
    assert settings - {'generator', 'ann_file'} == set(BANK_OPTIONS)
