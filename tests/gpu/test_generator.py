"""The generator on a GPU: training steps, sampling, average, checkpoints."""

import copy

import pytest
import torch
from diffusers import DDPMScheduler

from helpers.devices import all_on, close, gradients, to
from helpers.tiny_banks import (
    OPTIONS,
    files_of,
    random_unet,
    v_schedule,
    write_generator,
    write_images,
)
from helpers.tiny_ddpm import batch, build
from mmdet_ddpm_moco.models.moving_average import ForeachEMA
from mmdet_ddpm_moco.synthesis.generator import load_generator, save_generator
from mmdet_ddpm_moco.synthesis.run import synthesize_bank
from mmdet_ddpm_moco.synthesis.samplers import (
    SAMPLERS,
    build_sampler,
    sample_windows,
)

STEPS = 3


def fixed_draws(monkeypatch, seed):
    """The same noise and timesteps on every device, drawn on the CPU."""
    source = torch.Generator().manual_seed(seed)

    def randn_like(x):
        return torch.randn(x.shape, generator=source).to(x.device)

    def randint(high, size, device=None):
        return original(high, size, generator=source).to(device)

    original = torch.randint
    monkeypatch.setattr(torch, 'randn_like', randn_like)
    monkeypatch.setattr(torch, 'randint', randint)


def trained(device, monkeypatch, **changes):
    """Losses, gradients of the last step, model and average."""
    model = build(**changes).to(device).train()
    model.scheduler = DDPMScheduler.from_config(model.scheduler.config)
    average = ForeachEMA(model, momentum=0.1, gamma=2)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0)
    losses = []
    for seed in range(STEPS):
        with monkeypatch.context() as patch:
            data = batch(4, seed=seed)
            fixed_draws(patch, seed)
            data = model.data_preprocessor(data, training=True)
            loss = model(**data, mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        # The first steps of Adam divide by gradients: signs would decide.
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if seed == 0:
            first = {k: v.clone() for k, v in gradients(model).items()}
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss.detach())
    return losses, first, model, average


@pytest.mark.parametrize('conditioning', ['mask', 'class', 'none'])
def test_training_steps(device, monkeypatch, conditioning):
    expected = trained('cpu', monkeypatch, conditioning=conditioning)
    found = trained(device, monkeypatch, conditioning=conditioning)
    close(found[0][0], expected[0][0], 1e-5, 'first loss')
    for one, other in zip(found[0], expected[0]):
        assert one.device.type == device
        close(one, other, 1e-2, 'loss')
    assert found[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        close(found[1][name], value, 1e-3, name)
    for module in found[2:]:
        all_on(module, device)
    for name, value in expected[3].state_dict().items():
        close(found[3].state_dict()[name], value, 1e-2, name)


def windows(number=3):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(number, 1, 32, 32, generator=generator) * 2 - 1
    mask = torch.zeros(number, 1, 32, 32)
    mask[:, :, 8:24, 8:24] = 1
    noise = torch.randn(image.shape, generator=generator)
    return image, mask, torch.arange(number), noise


@pytest.mark.parametrize('strength', [0.6, 1.0])
@pytest.mark.parametrize('name', SAMPLERS)
def test_sampling(device, monkeypatch, name, strength):
    """In float32: bfloat16 rounds otherwise on each device."""
    results = []
    autocast = torch.autocast
    monkeypatch.setattr(
        torch, 'autocast', lambda kind, *_, **__: autocast(kind, enabled=False)
    )
    for place in ('cpu', device):
        out = sample_windows(
            random_unet().to(place).eval(),
            build_sampler(name, v_schedule()),
            *to(windows(), place),
            num_inference_steps=8,
            strength=strength,
            generators=[torch.Generator().manual_seed(i) for i in range(3)],
        )
        assert out.device.type == place
        results.append(out)
    close(results[1], results[0], 1e-3)


def test_sampling_in_bf16(device):
    """The same windows, but for the rounding."""
    results = [
        sample_windows(
            random_unet().to(place).eval(),
            build_sampler('dpmsolver++', v_schedule()),
            *to(windows(), place),
            num_inference_steps=8,
        )
        for place in ('cpu', device)
    ]
    assert torch.isfinite(results[1]).all()
    close(results[1], results[0], 0.1)


def test_a_generator_goes_from_one_device_to_the_other(device, tmp_path):
    unet = random_unet().to(device)
    save_generator(
        tmp_path / 'one',
        unet,
        v_schedule(),
        classes=('a', 'b', 'c'),
        window=32,
    )
    loaded = load_generator(tmp_path / 'one')
    all_on(loaded.unet, 'cpu')
    save_generator(
        tmp_path / 'two',
        loaded.unet,
        v_schedule(),
        classes=('a', 'b', 'c'),
        window=32,
    )
    one, two = (files_of(tmp_path / name) for name in ('one', 'two'))
    weights = [name for name in one if name.endswith('.safetensors')]
    assert len(weights) == 1
    assert one[weights[0]] == two[weights[0]]


def test_a_checkpoint_goes_there_and_back(device, monkeypatch, tmp_path):
    _, _, model, average = trained(device, monkeypatch)
    file = tmp_path / 'checkpoint.pth'
    torch.save((model.state_dict(), average.state_dict()), file)
    state, averaged = torch.load(file, map_location='cpu', weights_only=True)
    here = build(seed=1)
    here.load_state_dict(state)
    all_on(here, 'cpu')
    resumed = ForeachEMA(copy.deepcopy(here), momentum=0.1, gamma=2)
    resumed.load_state_dict(averaged)
    resumed.to(device)
    for one, other in ((here.to(device), model), (resumed, average)):
        for name, value in other.state_dict().items():
            assert torch.equal(one.state_dict()[name], value), name
    average.update_parameters(model)
    resumed.update_parameters(here)
    for name, value in average.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def bank(tmp_path, name, device):
    root = tmp_path / name
    generator = write_generator(root / 'generator')
    images = write_images(root / 'data')
    out = root / 'bank'
    synthesize_bank(
        load_generator(generator),
        *images,
        out,
        num=8,
        device=device,
        **OPTIONS,
    )
    return files_of(out)


def test_a_bank_is_the_same_bytes_again(device, tmp_path):
    first, second = (bank(tmp_path, name, device) for name in 'ab')
    assert first == second
    kind = first['manifest.json']
    assert f'"device": "{device} '.encode() in kind


def test_a_bank_of_a_gpu_is_read_on_a_cpu_and_not_finished_there(
    gpu, tmp_path, monkeypatch
):
    from mmdet_ddpm_moco.bank.reader import DefectBank
    from mmdet_ddpm_moco.synthesis import run

    bank(tmp_path, 'a', gpu)
    opened = DefectBank(tmp_path / 'a' / 'bank')
    assert len(opened) == 8
    opened.read(opened[0])
    write_images(tmp_path / 'b' / 'data')
    generator = write_generator(tmp_path / 'b' / 'generator')
    data = tmp_path / 'b' / 'data'

    def job(device):
        return synthesize_bank(
            load_generator(generator),
            data / 'train.json',
            data / 'images',
            tmp_path / 'b' / 'bank',
            num=8,
            device=device,
            **OPTIONS,
        )

    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, 'fill_bank', stopped)
        with pytest.raises(KeyboardInterrupt):
            job(gpu)
    with pytest.raises(ValueError, match='another kind of device'):
        job('cpu')
    assert job(gpu)['kept'] == 8
