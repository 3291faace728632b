import itertools

import pytest
import torch
from diffusers import DDPMPipeline
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from helpers.tiny_detection import (
    CLASSES,
    write_images,
)
from helpers.tiny_runs import log_of
from helpers.tiny_stages import load, write_configs
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.utils.provenance import FILE, record_images

EMA = dict(
    type='EMAHook', ema_type='MomentumAnnealingEMA', momentum=0.5, gamma=1
)
_names = itertools.count()
EXPORT = dict(type='mmdet_ddpm_moco.ExportGeneratorHook')


@pytest.fixture
def config(tmp_path):
    data = write_images(tmp_path / 'data')
    write_configs(tmp_path, data, tmp_path / 'root')
    return tmp_path / 'ddpm.py'


def run(config, hooks=(EXPORT,), **options):
    options['experiment_name'] = f'generator{next(_names)}'
    runner = Runner.from_cfg(load(config, custom_hooks=list(hooks), **options))
    runner.train()
    return runner


def assert_exported(folder, unet):
    found = load_generator(folder).unet.state_dict()
    expected = unet.state_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_the_generator_is_exported(config, tmp_path):
    runner = run(config)
    folder = tmp_path / 'work' / 'generator'
    generator = load_generator(folder)
    assert generator.classes == CLASSES
    assert generator.window == 16
    assert generator.scheduler.config.prediction_type == 'v_prediction'
    assert_exported(folder, runner.model.unet)
    DDPMPipeline.from_pretrained(folder)
    assert f'Generator written to {runner.work_dir}/generator' in log_of(
        runner
    )


def test_the_generator_carries_its_provenance_record(config, tmp_path):
    run(config)
    folder = tmp_path / 'work' / 'generator'
    seen = record_images((tmp_path / 'data' / 'images').iterdir())
    generator = load_generator(folder)
    assert len(seen['images']) == 4
    assert generator.provenance == seen
    # What it paints is the same without them, so a bank of it stays valid.
    (folder / FILE).unlink()
    without = load_generator(folder)
    assert without.provenance is None
    assert without.fingerprint == generator.fingerprint


def test_images_of_the_weights_it_starts_from_are_kept(config, tmp_path):
    """Else a detector would be tested on them without a word."""
    first = run(config)
    start = f'{first.work_dir}/iter_2.pth'
    other = tmp_path / 'other'
    write_images(other / 'data', 6)
    write_configs(other, other / 'data', other / 'root')
    run(other / 'ddpm.py', load_from=start)
    seen = load_generator(other / 'work' / 'generator').provenance
    folders = (tmp_path / 'data' / 'images', other / 'data' / 'images')
    assert seen == record_images(p for f in folders for p in f.iterdir())


@pytest.mark.parametrize('hooks', [(EMA, EXPORT), (EXPORT, EMA)])
def test_averaged_weights_are_taken(config, tmp_path, hooks):
    runner = run(config, hooks)
    (ema,) = (h for h in runner.hooks if isinstance(h, EMAHook))
    average = ema.ema_model.module.unet
    assert_exported(tmp_path / 'work' / 'generator', average)
    last = runner.model.unet.state_dict()
    assert any(
        not torch.equal(last[name], value)
        for name, value in average.state_dict().items()
    )


def test_an_average_is_resumed(config, tmp_path):
    """A run resumed at its end exports what it would have exported."""
    folder = tmp_path / 'work' / 'generator'
    run(config, (EMA, EXPORT))
    before = load_generator(folder).fingerprint
    (folder / 'defect_ddpm.json').unlink()
    run(config, (EMA, EXPORT), resume=True)
    assert load_generator(folder).fingerprint == before


def test_a_second_run_replaces_the_export(config, tmp_path):
    folder = tmp_path / 'work' / 'generator'
    run(config)
    before = load_generator(folder).fingerprint
    runner = run(config, randomness=dict(seed=1))
    assert load_generator(folder).fingerprint != before
    assert_exported(folder, runner.model.unet)


def test_classes_that_differ_are_reported_before_training(config, tmp_path):
    with pytest.raises(ValueError, match='num_classes=3') as error:
        run(config, **{'model.num_classes': 3})
    message = str(error.value)
    assert '2 categories' in message
    assert 'train.json' in message
    assert '\n' not in message
    assert not (tmp_path / 'work' / 'generator').exists()


def test_channels_that_do_not_agree_are_reported(config):
    """Gray windows for a model of color ones end deep inside the U-Net."""
    with pytest.raises(ValueError, match='channels'):
        run(config, **{'model.channels': 3})
