"""The DDPM that ours is compared with, against the equations of Ho et al."""

import torch

from benchmarks.speed.sampling import ddpm_sampling
from benchmarks.speed.windows import WindowBatch, draw_batch, our_sampling
from helpers.tiny_synthesis import (
    random_unet,
    schedule,
    write_generator,
    write_images,
)
from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    denormalize,
    normalize,
)
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.samplers import build_sampler
from mmdet_ddpm_moco.synthesis.settings import BankOptions

STEPS = 12


def batch(number=2, size=16):
    source = torch.Generator().manual_seed(0)
    shape = (number, 1, size, size)
    return WindowBatch(
        torch.rand(shape, generator=source) * 2 - 1,
        (torch.rand(shape, generator=source) * 2 - 0.5).clamp(0, 1),
        torch.arange(number),
        torch.randn(shape, generator=source),
    )


def by_the_equations(unet, trained, data, source):
    """Ho et al., 2020, equations 6 and 7, for a U-Net that predicts v."""
    ground = background_statistics(data.image, data.mask)
    removed = normalize(data.image, *ground) * (data.mask == 0)
    x = data.noise
    for t in reversed(range(len(trained.alphas_cumprod))):
        shown = torch.cat([x, data.mask, removed], dim=1)
        v = unet(shown, torch.tensor(t), class_labels=data.label).sample
        kept = trained.alphas_cumprod[t]
        clean = (kept**0.5 * x - (1 - kept) ** 0.5 * v).clamp(-3, 3)
        if t == 0:
            return denormalize(clean, *ground).clamp(-1, 1)
        before = trained.alphas_cumprod[t - 1]
        alpha, left = kept / before, (1 - before) / (1 - kept)
        mean = (
            before**0.5 * (1 - alpha) / (1 - kept) * clean
            + alpha**0.5 * left * x
        )
        noise = torch.randn(x.shape, generator=source)
        x = mean + (left * (1 - alpha)) ** 0.5 * noise
    raise AssertionError


@torch.no_grad()
def test_it_follows_the_equations_through_every_step():
    unet, trained = random_unet(), schedule(STEPS)
    expected = by_the_equations(
        unet, trained, batch(), torch.Generator().manual_seed(3)
    )
    sampled = ddpm_sampling(
        unet,
        build_sampler('ddpm', trained),
        batch(),
        torch.Generator().manual_seed(3),
    )
    assert sampled.dtype == torch.float32
    torch.testing.assert_close(sampled, expected, rtol=0, atol=1e-4)
    other = ddpm_sampling(
        unet,
        build_sampler('ddpm', trained),
        batch(),
        torch.Generator().manual_seed(4),
    )
    assert (other - expected).abs().max() > 0.01


def test_an_oracle_is_followed_to_the_clean_windows():
    trained, data = schedule(STEPS), batch()
    clean = normalize(
        -0.5 * data.image, *background_statistics(data.image, data.mask)
    )
    seen = []

    def oracle(shown, timestep, class_labels):
        assert torch.equal(class_labels, data.label)
        assert shown.dtype == torch.float32
        seen.append(int(timestep))
        kept = trained.alphas_cumprod[timestep]
        noise = (shown[:, :1] - kept**0.5 * clean) / (1 - kept) ** 0.5
        answer = kept**0.5 * noise - (1 - kept) ** 0.5 * clean
        return type('Output', (), dict(sample=answer))

    sampled = ddpm_sampling(oracle, build_sampler('ddpm', trained), data)
    torch.testing.assert_close(sampled, -0.5 * data.image, rtol=0, atol=1e-3)
    assert seen == list(reversed(range(STEPS)))


def test_the_batch_is_drawn_from_the_training_images(tmp_path):
    generator = load_generator(write_generator(tmp_path / 'generator'))
    images = write_images(tmp_path / 'data')
    drawn = draw_batch(generator, *images, number=5)
    assert drawn.image.shape == drawn.noise.shape == (5, 1, 32, 32)
    assert drawn.mask.shape == (5, 1, 32, 32)
    assert drawn.label.shape == (5,)
    # The images are noise of these gray levels.
    gray = (drawn.image + 1) * 127.5
    assert 59.9 < gray.min() < 70 and 180 < gray.max() < 190.1
    assert (drawn.mask.amax((1, 2, 3)) == 1).all()
    again = draw_batch(generator, *images, number=5)
    for part in ('image', 'mask', 'label', 'noise'):
        assert torch.equal(getattr(drawn, part), getattr(again, part))


def test_our_sampling_runs_all_steps_on_the_batch(tmp_path):
    generator = load_generator(write_generator(tmp_path / 'generator'))
    drawn = draw_batch(generator, *write_images(tmp_path / 'data'), number=2)
    shown = []
    generator.unet.register_forward_pre_hook(
        lambda _, arguments: shown.append(arguments[0])
    )
    options = BankOptions(num_inference_steps=7)
    sampled = our_sampling(generator, drawn, options)()
    assert sampled.shape == drawn.image.shape
    assert len(shown) == 7
    assert torch.equal(shown[0][:, 1:2], drawn.mask)
    assert torch.equal(shown[0][:, :1], drawn.noise)
