import numpy as np
import pytest
import torch

from helpers.tiny_banks import (
    OPTIONS,
    random_unet,
    v_schedule,
    write_images,
)
from mmdet_ddpm_moco.bank.compositing import crop
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.synthesis import gates, painter
from mmdet_ddpm_moco.synthesis.generator import load_generator, save_generator
from mmdet_ddpm_moco.synthesis.painter import WindowPainter
from mmdet_ddpm_moco.synthesis.planner import WindowPlanner
from mmdet_ddpm_moco.synthesis.run import synthesize_bank
from mmdet_ddpm_moco.synthesis.settings import DEFAULT_MIX, BankOptions

pytestmark = pytest.mark.usefixtures('small_blocks')


def make(generator, images, out, num=6, **options):
    return synthesize_bank(
        generator, *images, out, num=num, **{**OPTIONS, **options}
    )


def test_windows_are_padded_to_what_the_unet_needs_and_cropped(
    tmp_path, generator, monkeypatch
):
    """29 x 27 pixels, no multiples of 16."""
    images = write_images(
        tmp_path / 'data', [[('pit', 8, 8, 12, 10)]], size=(29, 27)
    )
    assert generator.multiple == 2
    seen = []

    def noise_itself(unet, scheduler, image, mask, label, noise, **_):
        for part in (image, mask, noise):
            assert part.shape[2] % 2 == 0
            assert part.shape[3] % 2 == 0
        seen.append(image)
        ramp = torch.linspace(-1, 1, image.shape[3]).expand(image.shape)
        assert image.shape[2:] in ((28, 30), (28, 32), (32, 30))
        # Pixels are replicated at the border.
        assert torch.equal(image[..., 28], image[..., 29])
        assert torch.equal(image[..., 26, :], image[..., 27, :])
        return ramp.clone()

    monkeypatch.setattr(painter, 'sample_windows', noise_itself)
    make(generator, images, tmp_path / 'bank', num=3)
    assert seen
    bank = DefectBank(tmp_path / 'bank')
    for i in range(len(bank)):
        window = bank[i]
        assert window.window == (0, 0, 29, 27)
        pixels, alpha = bank.read(window)
        ramp = np.linspace(-1, 1, 30)[:29]
        painted = np.round((ramp + 1) * 127.5).astype(np.uint8)
        expected = np.broadcast_to(painted, (27, 29))
        found = pixels[..., 0][alpha == 255]
        difference = found.astype(int) - expected[alpha == 255]
        assert np.abs(difference).max() <= 1


def test_odd_windows_go_through_the_unet(tmp_path, generator):
    images = write_images(
        tmp_path / 'data', [[('pit', 8, 8, 12, 10)]], size=(29, 27)
    )
    assert make(generator, images, tmp_path / 'bank', num=3)['kept'] == 3


def make_painter(generator, images, **changes):
    data = LabeledImages(*images)
    options = BankOptions(**{**OPTIONS, **changes})
    planner = WindowPlanner(data, max_window=32, mix=dict(add=1), seed=0)
    return data, WindowPainter(
        generator,
        data,
        gates.QualityGates(data, planner),
        options,
        'cpu',
    )


def test_arguments_of_sampling(tmp_path, generator, images, monkeypatch):
    """Replacements start from their source, everything else from noise."""
    calls = []

    def watched(unet, scheduler, image, mask, label, noise, **options):
        calls.append((options, image, mask, label, noise))
        return image

    monkeypatch.setattr(painter, 'sample_windows', watched)
    data, one = make_painter(generator, images)
    planner = WindowPlanner(data, max_window=32, mix=DEFAULT_MIX, seed=0)
    plans = {number: planner.plan(number) for number in range(30)}
    assert {p.kind for p in plans.values()} == {'add', 'replaces', 'null'}
    one.paint(plans)
    seen = 0
    for options, image, mask, label, noise in calls:
        assert options['num_inference_steps'] == 2
        assert image.dtype == mask.dtype == noise.dtype == torch.float32
        assert label.dtype == torch.int64
        assert -1 <= image.min() < image.max() <= 1
        for i in range(len(image)):
            # The window is found again by its alpha and its host's pixels.
            kinds = {
                plan.kind
                for plan in plans.values()
                if plan.alpha.shape == mask.shape[2:]
                and plan.label == label[i]
                and np.array_equal(plan.alpha, (mask[i, 0] * 255).round())
                and np.array_equal(
                    crop(data.read(plan.image), plan.window)[..., 0],
                    ((image[i, 0] + 1) * 127.5).round(),
                )
            }
            assert len(kinds) == 1
            replaces = kinds == {'replaces'}
            assert options['strength'] == (0.6 if replaces else 1.0)
            seen += 1
    assert seen == 30
    noises = torch.cat([noise.flatten() for *_, noise in calls])
    assert abs(noises.mean()) < 0.03
    assert abs(noises.std() - 1) < 0.03


def test_the_ddpm_sampler_draws_from_each_windows_own_generator(
    generator, images
):
    """Like the initial noise, that of each step belongs to the number."""
    data, one = make_painter(
        generator, images, sampler='ddpm', num_inference_steps=3
    )
    planner = WindowPlanner(
        data, max_window=32, mix=dict(add=1, replaces=0, null=0), seed=0
    )
    plans = {number: planner.plan(number) for number in range(6)}
    _, forwards = one.paint(plans)
    backwards = {number: plans[number] for number in reversed(plans)}
    _, again = one.paint(backwards)
    for a, b in zip(forwards, reversed(again)):
        # The order in a batch changes the last bits of its arithmetic.
        assert np.abs(a.astype(int) - b).max() <= 2
    _, other = make_painter(
        generator, images, sampler='ddpm', num_inference_steps=3
    )[1].paint({number + 50: plan for number, plan in plans.items()})
    assert np.abs(forwards[0].astype(int) - other[0]).max() > 20


def test_guidance_uses_the_null_label(
    tmp_path, generator, images, monkeypatch
):
    seen = []

    def watched(unet, sampler, image, *rest, **options):
        seen.append((options['guidance_scale'], options['null_label']))
        return -image

    monkeypatch.setattr(painter, 'sample_windows', watched)
    make(generator, images, tmp_path / 'plain', num=2)
    folder = save_generator(
        tmp_path / 'guidable',
        random_unet(num_classes=4),
        v_schedule(),
        classes=generator.classes,
        window=32,
    )
    make(
        load_generator(folder),
        images,
        tmp_path / 'bank',
        2,
        guidance_scale=2.5,
    )
    assert set(seen) == {(1.0, None), (2.5, 4)}


def test_noise_belongs_to_the_number(tmp_path, generator, images, monkeypatch):
    """Which windows share a block or a batch changes no window's noise."""
    data, one = make_painter(generator, images)
    planner = WindowPlanner(data, max_window=32, mix=DEFAULT_MIX, seed=0)
    plans = {number: planner.plan(number) for number in range(8)}

    def noise_itself(unet, scheduler, image, mask, label, noise, **_):
        return noise.clamp(-1, 1)

    monkeypatch.setattr(painter, 'sample_windows', noise_itself)
    _, batched = one.paint(plans)
    alone = [one.paint({n: plans[n]})[1][0] for n in plans]
    for a, b in zip(batched, alone):
        assert np.array_equal(a, b)
    first = [p[..., 0][:16, :16] for p in batched]
    assert not any(np.array_equal(first[0], other) for other in first[1:])


def test_batches_hold_a_bounded_number_of_pixels(generator, images):
    data, one = make_painter(generator, images)
    planner = WindowPlanner(data, max_window=32, mix=DEFAULT_MIX, seed=0)
    plans = {number: planner.plan(number) for number in range(200)}
    batches = one._batches(plans)
    assert sorted(n for _, batch in batches for n in batch) == list(range(200))
    for strength, numbers in batches:
        sizes = {plans[n].window[2:] for n in numbers}
        assert len(sizes) == 1
        (w, h) = sizes.pop()
        assert len(numbers) * w * h <= painter.BATCH_PIXELS
        assert {plans[n].kind == 'replaces' for n in numbers} == {
            strength == 0.6
        }
