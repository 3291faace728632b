import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from helpers.tiny_detection import write_images
from helpers.tiny_stages import load, write_configs
from mmdet_ddpm_moco.datasets.defect_window_dataset import DefectWindowDataset
from mmdet_ddpm_moco.engine.hooks.sample_grid_hook import SampleGridHook
from mmdet_ddpm_moco.models.noise_schedule import build_schedule
from mmdet_ddpm_moco.visualization.sample_grid import CELL, GAP, HEAD

_names = itertools.count()
GRID = dict(
    type='mmdet_ddpm_moco.SampleGridHook',
    interval=2,
    columns=2,
    num_inference_steps=2,
)


@pytest.fixture
def config(tmp_path):
    data = write_images(tmp_path / 'data')
    write_configs(tmp_path, data, tmp_path / 'root')
    return tmp_path / 'ddpm.py'


def run(config, *hooks, **options):
    hooks = hooks or (GRID,)
    options['experiment_name'] = f'grid{next(_names)}'
    options.setdefault('train_cfg.max_iters', 5)
    runner = Runner.from_cfg(load(config, custom_hooks=list(hooks), **options))
    runner.train()
    return runner


def pictures(runner):
    return {
        path.name: cv2.imread(str(path))
        for path in sorted(Path(runner.log_dir).rglob('vis_image/*.png'))
    }


def test_a_grid_at_every_interval_and_at_the_end(config):
    found = pictures(run(config))
    assert list(found) == [f'windows_{n}.png' for n in (2, 4, 5)]
    # Two classes and background; three groups of two cells.
    height = 3 * (HEAD + CELL + GAP)
    width = GAP + 3 * (2 * (CELL + GAP) + 3 * GAP) - 3 * GAP
    for picture in found.values():
        assert picture.shape == (height, width, 3)


def test_training_is_the_same_with_and_without(config):
    """The hook draws its windows and noise from generators of its own."""
    with_hook = run(config, dict(GRID, interval=1)).model.state_dict()
    without = run(config, dict(GRID, interval=99)).model.state_dict()
    for name, value in with_hook.items():
        assert torch.equal(value, without[name]), name


def test_the_grid_is_of_the_exported_weights(config, monkeypatch):
    """The averaged weights, where there are any."""
    shown = []
    monkeypatch.setattr(
        SampleGridHook,
        'draw',
        lambda self, dataset, unet, schedule: (
            shown.append(unet) or np.zeros((4, 4, 3), np.uint8)
        ),
    )
    ema = dict(type='EMAHook', ema_type='MomentumAnnealingEMA', gamma=1)
    runner = run(config, ema, GRID)
    (hook,) = (h for h in runner.hooks if isinstance(h, EMAHook))
    assert shown
    assert all(unet is hook.ema_model.module.unet for unet in shown)


class Painter(torch.nn.Module):
    """Returns white windows."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, shown, timestep, class_labels):
        sample = torch.full_like(shown[:, :1], 3.0)
        return type('Output', (), dict(sample=sample))


def test_the_groups_of_a_row(tmp_path):
    data = write_images(tmp_path / 'data')
    dataset = DefectWindowDataset(
        str(data / 'train.json'), str(data / 'images'), window=16
    )
    schedule = build_schedule(
        dict(beta_schedule='squaredcos_cap_v2', prediction_type='sample')
    )
    hook = SampleGridHook(columns=1, num_inference_steps=1)
    grid = hook.draw(dataset, Painter(), schedule)
    rng = np.random.RandomState(0)
    for row, label in enumerate(dataset.labels):
        pixels, alpha, _ = dataset.draw(rng, label)
        top = row * (HEAD + CELL + GAP) + HEAD
        step = CELL + GAP + 3 * GAP
        real, masked, made = (
            grid[top : top + CELL, left : left + CELL, 0]
            for left in (GAP, GAP + step, GAP + 2 * step)
        )
        inside = np.repeat(np.repeat(alpha == 255, 7, 0), 7, 1)
        outside = np.repeat(np.repeat(alpha == 0, 7, 0), 7, 1)
        enlarged = cv2.resize(
            pixels, (CELL, CELL), interpolation=cv2.INTER_CUBIC
        )
        # Rounding: cubic interpolation overshoots at what was rounded.
        assert np.abs(real.astype(int) - enlarged).max() <= 3
        hole = cv2.erode(inside.astype(np.uint8), np.ones((15, 15))) > 0
        ground = cv2.erode(outside.astype(np.uint8), np.ones((15, 15))) > 0
        for part in (masked, made):
            assert np.abs(part.astype(int) - real)[ground].max() <= 3
        assert (made[hole] == 255).all()
        assert (np.abs(masked[hole] - 127.5) <= 3).all()


def test_only_generators_with_masks_are_shown(config):
    with pytest.raises(ValueError, match=r"conditioning.*'class'.*remove"):
        run(config, **{'model.conditioning': 'class'})


@pytest.mark.parametrize(
    'name', ['interval', 'columns', 'num_inference_steps']
)
def test_arguments_out_of_range(name):
    with pytest.raises(ValueError, match=f'{name} must be at least 1, got 0'):
        SampleGridHook(**{name: 0})
