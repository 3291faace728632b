import math

import pytest
import torch
from mmengine.registry import MODELS

from helpers.tiny_ddpm import STEPS, UNET, batch, build, cosine_alpha_bar
from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    normalize,
)
from mmdet_ddpm_moco.models.conditioning import masked_image
from mmdet_ddpm_moco.models.ddpm import DefectDDPM


def slow_input(noisy, image, mask):
    """The input of the U-Net, pixel by pixel."""
    n, c, h, w = image.shape
    shown = torch.empty(n, 2 * c + 1, h, w)
    for i in range(n):
        for y in range(h):
            for x in range(w):
                a = mask[i, 0, y, x].item()
                shown[i, c, y, x] = a
                for k in range(c):
                    shown[i, k, y, x] = noisy[i, k, y, x]
                    shown[i, c + 1 + k, y, x] = (
                        0 if a > 0 else image[i, k, y, x]
                    )
    return shown


def encoded(image, mask):
    return normalize(image, *background_statistics(image, mask))


def slow_loss(model, image, mask, label, seed, kind):
    """The loss from the definitions, window by window and pixel by pixel."""
    image = encoded(image, mask)
    torch.manual_seed(seed)
    noise = torch.randn_like(image)
    steps = torch.randint(STEPS, (len(image),))
    alpha_bar = cosine_alpha_bar()
    n, c, h, w = image.shape
    total = 0.0
    for i in range(n):
        signal = math.sqrt(alpha_bar[steps[i]])
        spread = math.sqrt(1 - alpha_bar[steps[i]])
        noisy = signal * image[i] + spread * noise[i]
        prediction = model.unet(
            slow_input(noisy[None], image[i : i + 1], mask[i : i + 1]),
            steps[i : i + 1],
            class_labels=label[i : i + 1],
        ).sample[0]
        target = {
            'v_prediction': signal * noise[i] - spread * image[i],
            'epsilon': noise[i],
            'sample': image[i],
        }[kind]
        weight = 0.1 + 0.9 * mask[i, 0]
        weight = weight / weight.mean()
        for k in range(c):
            for y in range(h):
                for x in range(w):
                    error = (prediction[k, y, x] - target[k, y, x]).item()
                    total += weight[y, x].item() * error**2
    return total / (n * c * h * w)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('kind', ['v_prediction', 'epsilon', 'sample'])
@torch.no_grad()
def test_loss_equals_a_slow_reference(channels, kind):
    scheduler = dict(beta_schedule='squaredcos_cap_v2', prediction_type=kind)
    model = build(
        channels=channels,
        scheduler=None if kind == 'v_prediction' else scheduler,
    ).eval()
    data = batch(2, channels, size=8)
    torch.manual_seed(5)
    loss = model(**data, mode='loss')['loss']
    expected = slow_loss(model, **data, seed=5, kind=kind)
    assert loss.item() == pytest.approx(expected, rel=2e-4)


@torch.no_grad()
def test_tensor_mode_gives_what_the_loss_is_computed_from():
    model = build().eval()
    data = batch(2)
    torch.manual_seed(7)
    prediction = model(**data)
    assert prediction.shape == data['image'].shape
    torch.manual_seed(7)
    noise, steps = torch.randn_like(data['image']), torch.randint(STEPS, (2,))
    image = encoded(data['image'], data['mask'])
    noisy = model.scheduler.add_noise(image, noise, steps)
    shown = slow_input(noisy, image, data['mask'])
    expected = model.unet(shown, steps, class_labels=data['label']).sample
    torch.testing.assert_close(prediction, expected)


def test_pixels_under_the_mask_are_removed():
    """Also under its rim, which a defect's edge reaches into."""
    data = batch(1)
    changed = data['image'].clone()
    changed[data['mask'] > 0] = 0.3
    noisy = torch.zeros_like(changed)

    def shown(image):
        return torch.cat([noisy, masked_image(image, data['mask'])], dim=1)

    assert torch.equal(shown(data['image']), shown(changed))
    assert not torch.equal(data['image'], changed)


@pytest.mark.parametrize('conditioning', ['class', 'none'])
@torch.no_grad()
def test_without_masks_the_input_is_the_noisy_window(conditioning):
    """And every pixel has the same weight in the loss."""
    model = build(conditioning=conditioning).eval()
    assert model.unet.config.in_channels == 1
    data = batch(2)
    torch.manual_seed(7)
    prediction = model(**data)
    torch.manual_seed(7)
    loss = model(**data, mode='loss')['loss']
    torch.manual_seed(7)
    noise, steps = torch.randn_like(data['image']), torch.randint(STEPS, (2,))
    noisy = model.scheduler.add_noise(data['image'], noise, steps)
    label = None if conditioning == 'none' else data['label']
    expected = model.unet(noisy, steps, class_labels=label).sample
    torch.testing.assert_close(prediction, expected)
    velocity = model.scheduler.get_velocity(data['image'], noise, steps)
    assert loss.item() == pytest.approx(
        (expected - velocity).square().mean().item(), rel=1e-5
    )


def test_classes_are_dropped_in_training_only():
    model = build(class_dropout=0.25)
    null_label = model.num_classes + 1
    assert model.unet.config.num_class_embeds == null_label + 1
    model.unet = Recorder()
    pixel = torch.zeros(20000, 1, 2, 2)
    torch.manual_seed(0)
    label = torch.arange(20000) % 4
    model(pixel, pixel, label, mode='loss')
    hidden = model.unet.labels == null_label
    assert 0.24 < hidden.float().mean() < 0.26
    assert torch.equal(model.unet.labels[~hidden], label[~hidden])
    # Every class alike, background too.
    for kind in range(4):
        assert 0.23 < hidden[label == kind].float().mean() < 0.27
    model.eval()
    model(pixel, pixel, label, mode='loss')
    assert torch.equal(model.unet.labels, label)
    assert torch.equal(label, torch.arange(20000) % 4)


@pytest.mark.parametrize('kind', ['v_prediction', 'epsilon', 'sample'])
@pytest.mark.parametrize('gamma', [0.5, 5.0])
@torch.no_grad()
def test_min_snr_weight_is_the_same_for_every_prediction_type(kind, gamma):
    """An error of the predicted window counts min(SNR, gamma)."""
    scheduler = dict(beta_schedule='squaredcos_cap_v2', prediction_type=kind)
    model = build(scheduler=scheduler, snr_gamma=gamma).eval()
    data = batch(1, size=4)
    data['mask'] = torch.ones_like(data['mask'])
    alpha_bar = cosine_alpha_bar()
    for seed in range(8):
        torch.manual_seed(seed)
        loss = model(**data, mode='loss')['loss'].item()
        torch.manual_seed(seed)
        noise = torch.randn_like(data['image'])
        step = torch.randint(STEPS, (1,))
        signal = math.sqrt(alpha_bar[step])
        spread = math.sqrt(1 - alpha_bar[step])
        image = encoded(data['image'], data['mask'])
        noisy = signal * image + spread * noise
        out = model.unet(
            torch.cat([noisy, masked_image(image, data['mask'])], dim=1),
            step,
            class_labels=data['label'],
        ).sample
        window = {
            'v_prediction': signal * noisy - spread * out,
            'epsilon': (noisy - spread * out) / signal,
            'sample': out,
        }[kind]
        error = (window - image).square().mean().item()
        snr = (signal / spread) ** 2
        assert loss == pytest.approx(min(snr, gamma) * error, rel=2e-2)


class Recorder(torch.nn.Module):
    """Replaces the U-Net; records the timesteps."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def forward(self, shown, steps, class_labels):
        self.steps += steps.tolist()
        self.labels = class_labels
        return type('Output', (), dict(sample=shown[:, :1] * 0))


def test_timesteps_are_uniform_and_independent():
    model = build()
    model.unet = Recorder()
    torch.manual_seed(0)
    pixel = torch.zeros(20000, 1, 2, 2)
    model(pixel, pixel, torch.zeros(20000).long(), mode='loss')
    assert set(model.unet.steps) == set(range(STEPS))
    half = sum(step < STEPS // 2 for step in model.unet.steps)
    assert 9600 < half < 10400


def test_gradients_reach_every_weight():
    model = build()
    data = batch(4)
    data['label'] = torch.arange(4)
    model(**data, mode='loss')['loss'].backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert without == []
    # Each class learns, background included.
    embedding = model.unet.class_embedding.weight.grad
    assert (embedding.abs().sum(dim=1) > 0).all()


def test_the_loss_falls_on_one_batch():
    model = build()
    data = batch(4)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for step in range(40):
        torch.manual_seed(step % 2)
        loss = model(**data, mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])


@torch.no_grad()
@pytest.mark.parametrize('size', [(8, 24), (2, 2), (30, 18)])
def test_windows_of_any_even_size_go_through(size):
    model = build()
    image = torch.zeros(1, 1, *size)
    assert model(image, image, torch.tensor([3])).shape == image.shape


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(num_classes=0), ['num_classes', '0']),
        (dict(num_classes=-2), ['num_classes', '-2']),
        (dict(channels=2), ['channels', '1', '3', '2']),
        (dict(channels=0), ['channels', '0']),
        (dict(background_weight=0), ['background_weight', '(0, 1]']),
        (dict(background_weight=1.5), ['background_weight', '(0, 1]', '1.5']),
        (dict(background_weight=-0.1), ['background_weight', '-0.1']),
        (dict(conditioning='box'), ['conditioning', 'mask', "'box'"]),
        (dict(snr_gamma=0), ['snr_gamma', 'above 0']),
        (dict(class_dropout=1), ['class_dropout', '[0, 1)', '1']),
        (dict(class_dropout=-0.1), ['class_dropout', '-0.1']),
        (
            dict(class_dropout=0.1, conditioning='none'),
            ['class_dropout', 'needs a class'],
        ),
    ],
)
def test_arguments_out_of_range(changes, words):
    with pytest.raises(ValueError) as error:
        build(**changes)
    message = str(error.value)
    assert '\n' not in message
    assert all(word in message for word in words)


def test_unknown_prediction_type():
    """Never treated as one of the three."""
    scheduler = dict(prediction_type='velocity')
    with pytest.raises(ValueError, match='velocity'):
        build(scheduler=scheduler)(**batch(1), mode='loss')


@pytest.mark.parametrize('mode', ['predict', '', None])
def test_unknown_mode(mode):
    with pytest.raises(ValueError, match='mode') as error:
        build()(**batch(1), mode=mode)
    assert repr(mode) in str(error.value)


def test_the_registry_builds_it():
    model = MODELS.build(dict(type='DefectDDPM', num_classes=2, unet=UNET))
    assert isinstance(model, DefectDDPM)
    dotted = 'mmdet_ddpm_moco.DefectDDPM'
    assert isinstance(
        MODELS.build(dict(type=dotted, num_classes=2, unet=UNET)), DefectDDPM
    )


@pytest.mark.parametrize('size', [15, 17])
def test_windows_that_the_unet_cannot_halve_are_refused(size):
    with pytest.raises(ValueError, match=f'{size}x{size} .* multiples of 2,'):
        build()(**batch(size=size), mode='loss')
