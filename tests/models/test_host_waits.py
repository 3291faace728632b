"""What makes the host wait in a step: nothing, but what is meant to."""

import pytest
import torch
from diffusers import DDPMScheduler

from helpers import tiny_ddpm, tiny_moco
from helpers.tiny_banks import random_unet, v_schedule
from mmdet_ddpm_moco.models.moving_average import ForeachEMA
from mmdet_ddpm_moco.synthesis import samplers
from mmdet_ddpm_moco.synthesis.samplers import build_sampler

fake_tensor = pytest.importorskip('torch._subclasses.fake_tensor')
fake_gpu = pytest.importorskip('helpers.fake_gpu')

pytestmark = fake_gpu.needs_fake_gpu


def ddpm_steps(number=2, **changes):
    model = tiny_ddpm.build(**changes)
    average = ForeachEMA(model, 0.001, gamma=50)
    with fake_tensor.FakeTensorMode() as mode:
        fake_gpu.to_fake_gpu(model, mode)
        fake_gpu.to_fake_gpu(average, mode)
        schedule = DDPMScheduler.from_config(model.scheduler.config)
        model.scheduler = schedule
        average._steps = 1
        found = []
        for seed in range(number):
            data = tiny_ddpm.batch(seed=seed)
            with fake_gpu.count_waits() as waits:
                data = model.data_preprocessor(data, training=True)
                model(**data, mode='loss')
                average.update_parameters(model)
            found.append(waits)
    return found


@pytest.mark.parametrize('snr_gamma', [None, 5.0])
@pytest.mark.parametrize('conditioning', ['mask', 'class', 'none'])
def test_a_step_of_the_generator(conditioning, snr_gamma):
    dropout = 0.0 if conditioning == 'none' else 0.1
    first, second = ddpm_steps(
        conditioning=conditioning, snr_gamma=snr_gamma, class_dropout=dropout
    )
    # The schedule follows once.
    assert first == ['_to_copy cpu -> cuda']
    assert second == []


def test_a_step_of_moco():
    model = tiny_moco.build(loss=dict(instance_weight=0.5))
    with fake_tensor.FakeTensorMode() as mode:
        fake_gpu.to_fake_gpu(model, mode)
        model.encoder_k._steps = 1
        model._last_ids = [(-1, -1), (-2, -2)]
        for seed in range(2):
            inputs, data = tiny_moco.batch(4, seed)
            with fake_gpu.count_waits() as waits:
                batch = model.data_preprocessor(
                    dict(inputs=inputs, data_samples=data), training=True
                )
                model(**batch, mode='loss')
            # The channels' new order, in mmpretrain's data preprocessor.
            assert waits == ['_to_copy cpu -> cuda'] * 2


def test_the_default_sampler(monkeypatch):
    unet, steps = random_unet(), 4
    sampler = build_sampler('dpmsolver++', v_schedule())
    # What is computed from the schedule's values, on the CPU.
    sampler.set_timesteps(steps)
    monkeypatch.setattr(samplers, 'check_sampling', lambda *args: None)
    with fake_tensor.FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake_gpu.to_fake_gpu(unet, mode)
        with torch.device('cuda'):
            image, noise = torch.randn(2, 2, 1, 16, 16).unbind()
            mask = torch.rand(2, 1, 16, 16)
            label = torch.zeros(2, dtype=torch.long)
            sampler.timesteps = torch.arange(steps)
        sampler.set_timesteps = lambda *args, **kwargs: None
        with fake_gpu.count_waits() as waits:
            windows = samplers.sample_windows(
                unet,
                sampler,
                image,
                mask,
                label,
                noise,
                num_inference_steps=steps,
            )
    assert windows.device.type == 'cuda'
    assert waits == []


def test_the_check_finds_copies():
    with fake_tensor.FakeTensorMode(), fake_gpu.count_waits() as waits:
        there = torch.ones(2).to('cuda', non_blocking=True)
        assert waits == []
        there.new_tensor([1.0, 2.0])
        there.cpu()
    assert waits == ['_to_copy cpu -> cuda', '_to_copy cuda -> cpu']
