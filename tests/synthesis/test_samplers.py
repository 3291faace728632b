import pytest
import torch

from helpers.oracle import Oracle, batch, clean_windows
from helpers.tiny_banks import random_unet, v_schedule
from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    normalize,
)
from mmdet_ddpm_moco.models.noise_schedule import build_schedule
from mmdet_ddpm_moco.synthesis.samplers import (
    build_sampler,
    max_inference_steps,
    sample_windows,
)
from mmdet_ddpm_moco.synthesis.settings import SAMPLERS


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize('name', SAMPLERS)
@pytest.mark.parametrize('steps', [1, 5, 20])
@pytest.mark.parametrize('strength', [1.0, 0.5])
@pytest.mark.parametrize('schedule', ['squaredcos_cap_v2', 'sigmoid'])
def test_every_sampler_follows_an_oracle(name, steps, strength, schedule):
    trained = build_schedule(
        dict(beta_schedule=schedule, prediction_type='v_prediction')
    )
    oracle = Oracle(clean_windows(), trained)
    sampled = sample_windows(
        oracle,
        build_sampler(name, trained),
        **batch(),
        num_inference_steps=steps,
        strength=strength,
        generators=generators(0, 1),
    )
    torch.testing.assert_close(sampled, oracle.image, rtol=0, atol=2e-3)
    assert len(oracle.calls) == max(1, steps - round(steps * (1 - strength)))
    if strength == 1:
        # From where all is noise, whatever spacing a saved schedule names.
        assert trained.alphas_cumprod[oracle.calls[0][0]] < 1e-3


@pytest.mark.parametrize('name', SAMPLERS)
def test_a_defect_far_from_its_background_is_not_clipped(name):
    """On smooth background a scratch lies beyond the samplers' usual range."""
    data = batch()
    data['image'] = data['image'] * 0.02 - 0.5
    data['mask'][:] = 0
    data['mask'][..., 4:12, 4:12] = 1
    clean = data['image'].clone()
    clean[..., 6:9, 6:9] = 0.9
    trained = v_schedule()
    oracle = Oracle(clean, trained, data)
    assert oracle.clean.max() > 1.5
    sampled = sample_windows(
        oracle,
        build_sampler(name, trained),
        **data,
        num_inference_steps=20,
        generators=generators(0, 1),
    )
    torch.testing.assert_close(sampled, clean, rtol=0, atol=0.02)


@pytest.mark.parametrize('name', SAMPLERS)
def test_the_largest_number_of_steps(name):
    trained = v_schedule()
    sampler = build_sampler(name, trained)
    most = max_inference_steps(sampler)
    assert most >= 990
    oracle = Oracle(clean_windows(1, 2), trained)
    data = {key: value[:1] for key, value in batch(size=2).items()}
    sampled = sample_windows(
        oracle,
        sampler,
        **data,
        num_inference_steps=most,
        generators=generators(0),
    )
    torch.testing.assert_close(sampled, oracle.image, rtol=0, atol=5e-3)
    with pytest.raises(ValueError, match=f'from 1 to {most}, got'):
        sample_windows(oracle, sampler, **data, num_inference_steps=most + 1)


@pytest.mark.parametrize('strength', [1.0, 0.5])
def test_noise_of_each_step_belongs_to_its_window(strength):
    """A window does not depend on the others in its batch."""
    unet, trained = random_unet().eval(), v_schedule()
    data = batch(3)

    def sample(rows, seeds):
        return sample_windows(
            unet,
            build_sampler('ddpm', trained),
            **{key: value[rows] for key, value in data.items()},
            num_inference_steps=4,
            strength=strength,
            generators=generators(*seeds),
        )

    whole = sample([0, 1, 2], [5, 6, 7])
    torch.testing.assert_close(sample([2, 0, 1], [7, 5, 6])[0], whole[2])
    assert not torch.equal(sample([0, 1, 2], [8, 6, 7])[0], whole[0])


def test_guidance_extrapolates_from_the_class():
    """w = 1 is the class, 0 is without class, 3 extrapolates."""

    class Levels(torch.nn.Module):
        def forward(self, shown, timestep, class_labels):
            level = class_labels.float().view(-1, 1, 1, 1) / 10
            self.calls = getattr(self, 'calls', 0) + 1
            sample = torch.zeros_like(shown[:, :1]) + level
            return type('Output', (), dict(sample=sample))

    trained = v_schedule(prediction_type='sample')
    data = batch(2)
    data['label'] = torch.tensor([1, 2])
    levels = {}
    for guidance in (1.0, 0.0, 3.0):
        unet = Levels()
        sampled = sample_windows(
            unet,
            build_sampler('dpmsolver++', trained),
            **data,
            num_inference_steps=1,
            guidance_scale=guidance,
            null_label=4,
        )
        background = background_statistics(data['image'], data['mask'])
        levels[guidance] = normalize(sampled, *background)[:, 0, 0, 0].tolist()
        assert unet.calls == (1 if guidance == 1 else 2)
    assert levels[1.0] == pytest.approx([0.1, 0.2], abs=1e-2)
    assert levels[0.0] == pytest.approx([0.4, 0.4], abs=1e-2)
    assert levels[3.0] == pytest.approx([-0.5, -0.2], abs=1e-2)


def test_an_unknown_sampler_is_refused():
    with pytest.raises(ValueError, match=r"dpmsolver.*, got 'euler'"):
        build_sampler('euler', v_schedule())
