import itertools
import math
from unittest import mock

import pytest
import torch

from helpers.fake_gpu import needs_fake_gpu
from helpers.oracle import Oracle, batch, clean_windows
from helpers.tiny_banks import random_unet, v_schedule, write_generator
from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    normalize,
)
from mmdet_ddpm_moco.synthesis import samplers
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.samplers import build_sampler, sample_windows

fake_tensor = pytest.importorskip('torch._subclasses.fake_tensor')


def solver(trained):
    return build_sampler('dpmsolver++', trained)


@pytest.mark.parametrize('strength', [1.0, 0.5])
@pytest.mark.parametrize(
    ('kind', 'steps'),
    [
        *itertools.product(('v_prediction', 'sample'), (1, 3, 8, 20)),
        # Its first step, from noise alone, depends on nothing of the window.
        *itertools.product(('epsilon',), (3, 8, 20)),
    ],
)
def test_an_oracle_is_followed_to_the_clean_windows(kind, steps, strength):
    trained = v_schedule(prediction_type=kind)
    oracle = Oracle(clean_windows(), trained)
    sampled = sample_windows(
        oracle,
        solver(trained),
        **batch(),
        num_inference_steps=steps,
        strength=strength,
    )
    assert sampled.dtype == torch.float32
    tolerance = 0.02 if kind == 'epsilon' else 1e-3
    torch.testing.assert_close(sampled, oracle.image, rtol=0, atol=tolerance)


def test_another_schedule_works_too():
    trained = v_schedule(beta_schedule='linear')
    oracle = Oracle(clean_windows(), trained)
    sampled = sample_windows(
        oracle, solver(trained), **batch(), num_inference_steps=10
    )
    torch.testing.assert_close(sampled, oracle.image, rtol=0, atol=1e-3)


def sampled_steps(steps, strength, trained=None):
    trained = trained or v_schedule()
    oracle = Oracle(clean_windows(), v_schedule())
    sample_windows(
        oracle,
        solver(trained),
        **batch(),
        num_inference_steps=steps,
        strength=strength,
    )
    return [call[0] for call in oracle.calls]


@pytest.mark.parametrize(
    ('steps', 'strength', 'calls'),
    [
        (1, 1.0, 1),
        (20, 1.0, 20),
        (20, 0.6, 12),
        (20, 0.5, 10),
        (16, 0.25, 4),
        (10, 0.3, 3),
        # 1 - 0.9 is a little less than 0.1 to a computer.
        (10, 0.9, 9),
        (10, 0.8, 8),
        (5, 0.8, 4),
        (20, 0.05, 1),
        # There is at least one.
        (4, 0.01, 1),
        (1, 0.5, 1),
    ],
)
def test_calls_of_the_unet(steps, strength, calls):
    """``strength`` takes that share of the steps."""
    timesteps = sampled_steps(steps, strength)
    assert len(timesteps) == calls
    assert timesteps == sorted(set(timesteps), reverse=True)
    whole = sampled_steps(steps, 1.0)
    assert timesteps == whole[len(whole) - calls :]


@pytest.mark.parametrize('steps', [1, 4, 16, 20, 50, 200])
@pytest.mark.parametrize('reloaded', [False, True])
def test_sampling_starts_in_almost_pure_noise(tmp_path, steps, reloaded):
    """The schedule of an exported generator is sampled like the original.

    Sampling starts from noise alone, so the U-Net needs a timestep at
    which windows looked like that in training.
    """
    trained = v_schedule()
    if reloaded:
        trained = load_generator(write_generator(tmp_path / 'g')).scheduler
    timesteps = sampled_steps(steps, 1.0, trained)
    signal = math.sqrt(v_schedule().alphas_cumprod[timesteps[0]].item())
    assert signal < 0.01
    assert len(timesteps) == steps
    assert timesteps == sampled_steps(steps, 1.0)


def test_the_start_is_noise_alone_or_the_noised_window():
    trained = v_schedule()
    data = batch()
    for strength in (1.0, 0.5):
        oracle = Oracle(clean_windows(), trained)
        sample_windows(
            oracle,
            solver(trained),
            **data,
            num_inference_steps=10,
            strength=strength,
        )
        step, labels, shown = oracle.calls[0]
        assert torch.equal(labels, data['label'])
        alpha_bar = trained.alphas_cumprod[step]
        start = data['noise']
        encoded = normalize(
            data['image'], *background_statistics(data['image'], data['mask'])
        )
        if strength < 1:
            start = (
                alpha_bar.sqrt() * encoded
                + (1 - alpha_bar).sqrt() * data['noise']
            )
        torch.testing.assert_close(shown[:, :1], start, rtol=0, atol=1e-4)
        # The rest never changes: alpha, and the window without that part.
        for _, _, shown in oracle.calls:
            assert torch.equal(shown[:, 1:2], data['mask'])
            hidden = encoded * (data['mask'] == 0)
            assert torch.equal(shown[:, 2:], hidden)


def test_at_full_strength_masked_pixels_do_not_matter():
    unet, trained = random_unet().eval(), v_schedule()
    data = batch()
    data['mask'] = torch.ones_like(data['mask'])
    data['mask'][..., :2] = 0
    sampled = sample_windows(
        unet, solver(trained), **data, num_inference_steps=3
    )
    hidden = torch.where(data['mask'] == 1, 0.7, data['image'])
    assert not torch.equal(hidden, data['image'])
    data['image'] = hidden
    again = sample_windows(
        unet, solver(trained), **data, num_inference_steps=3
    )
    assert torch.equal(sampled, again)


def test_each_input_matters():
    unet, trained = random_unet().eval(), v_schedule()
    data = batch()

    def sample(**changes):
        return sample_windows(
            unet,
            solver(trained),
            **{**data, **changes},
            num_inference_steps=3,
        )

    plain = sample()
    for changes in (
        dict(image=-data['image']),
        dict(mask=1 - data['mask']),
        dict(label=data['label'] + 1),
        dict(noise=-data['noise']),
    ):
        assert not torch.equal(plain, sample(**changes)), list(changes)


@pytest.mark.parametrize('strength', [1.0, 0.5])
def test_sampling_is_deterministic_and_draws_nothing(strength):
    unet, scheduler = (
        random_unet().eval(),
        solver(v_schedule()),
    )
    data = batch()
    before = {name: value.clone() for name, value in data.items()}
    results = []
    for seed in range(2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        results.append(
            sample_windows(
                unet,
                scheduler,
                **data,
                num_inference_steps=4,
                strength=strength,
            )
        )
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*results)
    assert all(torch.equal(data[name], before[name]) for name in data)


def test_results_are_windows():
    unet = random_unet().eval()
    data = batch()
    data['noise'] = data['noise'] * 50
    sampled = sample_windows(
        unet, solver(v_schedule()), **data, num_inference_steps=1
    )
    assert sampled.abs().max() == 1
    assert sampled.shape == data['image'].shape
    assert not sampled.requires_grad


@pytest.mark.parametrize('steps', [0, -3])
def test_steps_out_of_range(steps):
    with pytest.raises(ValueError, match='num_inference_steps') as error:
        sampled_steps(steps, 1.0)
    assert str(steps) in str(error.value)


def test_more_steps_than_the_schedule_has_are_refused():
    """The solver divides by the distance between two steps."""
    with pytest.raises(ValueError, match='num_inference_steps'):
        sampled_steps(1200, 0.1)


@pytest.mark.parametrize('strength', [0, -0.5, 1.01, 2, float('nan')])
def test_strength_out_of_range(strength):
    with pytest.raises(ValueError, match='strength') as error:
        sampled_steps(4, strength)
    assert str(strength) in str(error.value)
    assert '(0, 1]' in str(error.value)


def fake_gpu_windows(strength, **left_behind):
    """Samples on a simulated GPU.

    Fake tensors have a device and no values: an operation on tensors of two
    devices fails as on a GPU, and so does reading a value back. The solver
    makes its steps with numpy, outside; they stay on the CPU, as they do on a
    GPU, except for the numbers of the steps.
    """
    scheduler = solver(v_schedule())
    plain = scheduler.set_timesteps

    def set_timesteps(steps, device):
        with fake_tensor.unset_fake_temporarily():
            plain(steps)
        scheduler.timesteps = mode.from_tensor(scheduler.timesteps).to(device)
        scheduler.sigmas = mode.from_tensor(scheduler.sigmas)

    scheduler.set_timesteps = set_timesteps
    limit = mock.patch.object(
        samplers,
        'max_inference_steps',
        return_value=samplers.max_inference_steps(scheduler),
    )
    with limit, fake_tensor.FakeTensorMode() as mode:
        with torch.device('cuda'):
            unet = random_unet()
            image, noise = torch.rand(2, 1, 16, 16), torch.randn(2, 1, 16, 16)
            mask = torch.rand(2, 1, 16, 16)
            label = torch.zeros(2, dtype=torch.int64)
        data = dict(image=image, mask=mask, label=label, noise=noise)
        for name, device in left_behind.items():
            data[name] = data[name].to(device)
        return sample_windows(
            unet, scheduler, **data, num_inference_steps=4, strength=strength
        )


@needs_fake_gpu
@pytest.mark.parametrize('strength', [1.0, 0.5])
def test_sampling_stays_on_the_gpu(strength):
    sampled = fake_gpu_windows(strength)
    assert sampled.device.type == 'cuda'
    assert sampled.dtype == torch.float32


@needs_fake_gpu
@pytest.mark.parametrize('name', ['image', 'mask', 'label', 'noise'])
def test_the_check_finds_tensors_left_behind(name):
    with pytest.raises(RuntimeError, match=r'[Dd]evice'):
        fake_gpu_windows(1.0, **{name: 'cpu'})


@pytest.mark.parametrize(
    'schedule, most', [('squaredcos_cap_v2', 995), ('linear', 999)]
)
def test_max_inference_steps(schedule, most):
    """Steps closer than those of the schedule coincide."""
    trained = v_schedule(beta_schedule=schedule)
    oracle = Oracle(clean_windows(1, 2), trained)
    data = {name: value[:1] for name, value in batch(size=2).items()}
    fast = solver(trained)
    sampled = sample_windows(oracle, fast, **data, num_inference_steps=most)
    torch.testing.assert_close(sampled, oracle.image, rtol=0, atol=1e-3)
    with pytest.raises(ValueError, match=f'from 1 to {most}, got'):
        sample_windows(oracle, fast, **data, num_inference_steps=most + 1)
