"""Draws of a training that is resumed or has several ranks."""

import random
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from helpers import tiny_runs  # noqa: F401  (registers what the configs name)
from helpers.tiny_detection import write_images
from helpers.tiny_stages import edit, load, name_runs_apart, write_configs
from mmdet_ddpm_moco.engine import fresh_draws
from mmdet_ddpm_moco.engine.fresh_draws import FreshDrawsHook
from mmdet_ddpm_moco.engine.training import train


@HOOKS.register_module()
class RecordDrawsHook(Hook):
    """Records what each iteration sees, and ends the run."""

    seen = []
    until = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        windows = data_batch['image'].numpy().tobytes()
        self.seen.append((windows, torch.get_rng_state().numpy().tobytes()))

    def after_train_iter(self, runner, *_, **__):
        if runner.iter + 1 == RecordDrawsHook.until:
            raise KeyboardInterrupt


@pytest.fixture
def generator(tmp_path, monkeypatch):
    name_runs_apart(monkeypatch)
    monkeypatch.setattr(RecordDrawsHook, 'seen', [])
    data = write_images(tmp_path / 'data')
    write_configs(tmp_path, data, tmp_path / 'root')
    config = tmp_path / 'ddpm.py'
    edit(config, 'max_iters=2', 'max_iters=4')
    edit(
        config,
        'custom_hooks = [',
        "custom_hooks = [dict(type='RecordDrawsHook'), ",
    )
    return config


def draws(config, workers, monkeypatch, until=None, resume=False):
    """What the iterations of one start see."""
    monkeypatch.setattr(RecordDrawsHook, 'until', until)
    RecordDrawsHook.seen.clear()
    options = {'train_dataloader.num_workers': workers}
    with suppress(KeyboardInterrupt):
        train(load(config, **options), resume=resume)
    return list(RecordDrawsHook.seen)


@pytest.mark.parametrize('workers', [0, 1])
def test_a_resumed_generator_sees_other_windows_and_noise(
    generator, workers, monkeypatch
):
    first = draws(generator, workers, monkeypatch, until=3)
    rest = draws(generator, workers, monkeypatch, resume=True)
    assert (len(first), len(rest)) == (3, 2)
    windows, noise = zip(*first, *rest)
    # The third iteration was not saved: the first start has made it, too.
    assert len(set(windows)) == len(windows)
    assert len(set(noise)) == len(noise)


def test_a_start_from_nothing_draws_as_ever(monkeypatch):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    FreshDrawsHook().before_train(SimpleNamespace(iter=0, seed=5))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_each_rank_draws_its_own(monkeypatch):
    monkeypatch.setattr(fresh_draws, 'get_world_size', lambda: 2)
    found = set()
    for rank in range(2):
        monkeypatch.setattr(fresh_draws, 'get_rank', lambda rank=rank: rank)
        for iteration in (0, 3, 4):
            random.seed(2)
            np.random.seed(2)
            torch.manual_seed(2)
            loader = SimpleNamespace(worker_init_fn=None)
            FreshDrawsHook().before_train(
                SimpleNamespace(
                    iter=iteration, seed=2**32 - 1, train_dataloader=loader
                )
            )
            found |= {
                ('python', random.random()),
                ('numpy', np.random.rand()),
                ('torch', torch.rand(1).item()),
            }
    assert len(found) == 3 * 6
