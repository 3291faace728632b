"""The loss on a GPU, by fake tensors."""

import pytest
import torch
from diffusers import DDPMScheduler

from helpers.fake_gpu import needs_fake_gpu
from helpers.tiny_ddpm import build

fake_tensor = pytest.importorskip('torch._subclasses.fake_tensor')

pytestmark = needs_fake_gpu


def fake_gpu_loss(break_model=None, **left_behind):
    """The loss on a GPU that is not there.

    Fake tensors have a device and no values: operations on tensors of two
    devices fail as on a GPU. The schedule stays on the CPU, as in training.
    """
    with fake_tensor.FakeTensorMode():
        with torch.device('cuda'):
            model = build()
            image, mask = torch.randn(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
            data = dict(image=image, mask=mask, label=torch.arange(2))
        model.scheduler = DDPMScheduler.from_config(model.scheduler.config)
        assert model.scheduler.alphas_cumprod.device.type == 'cpu'
        for name, device in left_behind.items():
            data[name] = data[name].to(device)
        if break_model is not None:
            break_model(model)
        return model(**data, mode='loss')['loss']


def test_the_loss_stays_on_the_gpu():
    loss = fake_gpu_loss()
    assert loss.device.type == 'cuda'
    assert loss.dtype == torch.float32
    assert loss.requires_grad


def target_on_cpu(model):
    target = model._target
    model._target = lambda *args: target(*args).cpu()


def steps_on_cpu(model):
    add_noise = model.scheduler.add_noise
    model.scheduler.add_noise = lambda image, noise, steps: add_noise(
        image, noise.cpu(), steps
    )


@pytest.mark.parametrize('bug', [target_on_cpu, steps_on_cpu])
def test_the_check_finds_tensors_on_another_device(bug):
    with pytest.raises(RuntimeError, match=r'[Dd]evice'):
        fake_gpu_loss(bug)


@pytest.mark.parametrize('name', ['image', 'mask', 'label'])
def test_the_check_finds_a_batch_on_another_device(name):
    with pytest.raises(RuntimeError, match=r'[Dd]evice'):
        fake_gpu_loss(**{name: 'cpu'})
