"""MoCo on a GPU: queue, split batch norm, steps, views, checkpoints."""

import copy

import pytest
import torch
from torch import nn

from helpers.devices import all_on, close, gradients, to
from helpers.tiny_moco import batch, build
from mmdet_ddpm_moco.models.key_queue import KeyQueue
from mmdet_ddpm_moco.models.split_batch_norm import split_batch_norm

STEPS = 3


def test_the_queue(device):
    """Steps of all sizes leave the same queue, exactly."""
    models = [build(queue_len=16).to(place) for place in ('cpu', device)]
    for seed, number in enumerate((4, 7, 16, 20, 3)):
        generator = torch.Generator().manual_seed(seed)
        keys = torch.randn(number, 8, generator=generator)
        ids = torch.randint(9, (2, number), generator=generator)
        masks = [
            KeyQueue._enqueue(model, *to((keys, *ids), place))
            for model, place in zip(models, ('cpu', device))
        ]
        assert masks[1].device.type == device
        assert torch.equal(masks[1].cpu(), masks[0])
        for name, value in models[0].state_dict().items():
            if 'queue' in name:
                found = models[1].state_dict()[name]
                assert found.device.type == device
                assert torch.equal(found.cpu(), value), name


@pytest.mark.parametrize('grad', [False, True])
@pytest.mark.parametrize('layout', ['contiguous_format', 'channels_last'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_split_batch_norm(device, grad, layout, dtype):
    results = []
    for place in ('cpu', device):
        torch.manual_seed(0)
        module = nn.Sequential(nn.BatchNorm2d(6))
        nn.init.uniform_(module[0].weight)
        split_batch_norm(module, 4)
        module.to(place)
        images = torch.randn(10, 6, 9, 9) * 3 + 1
        images = images.to(place, dtype, memory_format=getattr(torch, layout))
        with torch.set_grad_enabled(grad):
            out = module(images)
        assert out.dtype == dtype
        all_on(module, place)
        results.append((out.float(), module.state_dict()))
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    close(results[1][0], results[0][0], tolerance, 'output')
    for name, value in results[0][1].items():
        close(results[1][1][name].float(), value.float(), tolerance, name)


def trained(device, **changes):
    model = build(loss=dict(instance_weight=0.5), **changes).to(device)
    optimizer = torch.optim.SGD(
        (p for p in model.parameters() if p.requires_grad), lr=0.01
    )
    losses = []
    for seed in range(STEPS):
        inputs, data = batch(8, seed)
        torch.manual_seed(seed)
        inputs = model.data_preprocessor(
            dict(inputs=inputs, data_samples=data), training=True
        )
        loss = model(**inputs, mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        if seed == 0:
            first = {k: v.clone() for k, v in gradients(model).items()}
        optimizer.step()
        losses.append(loss.detach())
    return losses, first, model


@pytest.mark.parametrize('symmetric', [False, True])
def test_training_steps(device, symmetric):
    # One group: which images are normalized together is drawn on the device.
    options = dict(bn_splits=1, symmetric=symmetric, queue_len=64)
    expected, found = (trained(x, **options) for x in ('cpu', device))
    for one, other in zip(found[0], expected[0]):
        assert one.device.type == device
        close(one, other, 1e-3, 'loss')
    assert found[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        close(found[1][name], value, 1e-2, name)
    all_on(found[2], device)
    for name, value in expected[2].state_dict().items():
        if name.startswith('encoder_k') or 'queue' in name:
            close(
                found[2].state_dict()[name].double(),
                value.double(),
                1e-2,
                name,
            )


def test_the_keys_come_back_in_their_order(device):
    """Groups of the batch are random; each key is its own image's."""
    model = build(bn_splits=4).to(device)
    model.encoder_k.eval()  # no batch statistics: a key is its image's alone
    images = batch(8)[0][0].to(device)
    keys = model._encode_keys(images, 0)
    alone = torch.cat([model._encode_keys(image[None], 0) for image in images])
    close(keys, alone, 1e-4)


def test_a_checkpoint_goes_there_and_back(device, tmp_path):
    _, _, model = trained(device)
    file = tmp_path / 'checkpoint.pth'
    torch.save(model.state_dict(), file)
    here = build(seed=1)
    here.load_state_dict(
        torch.load(file, map_location='cpu', weights_only=True)
    )
    all_on(here, 'cpu')
    here.to(device)
    inputs, data = batch(8, 7)
    losses = []
    for one in (model, here):
        torch.manual_seed(0)
        one = copy.deepcopy(one)
        views = one.data_preprocessor(
            dict(inputs=inputs, data_samples=data), training=True
        )
        losses.append(one(**views, mode='loss')['loss'])
    assert torch.equal(losses[0], losses[1])


@pytest.mark.parametrize('symmetric', [False, True])
def test_a_step_waits_for_the_host_only_where_it_is_meant_to(gpu, symmetric):
    """After the first, what the channels' new order costs alone."""
    model = build(loss=dict(instance_weight=0.5), symmetric=symmetric)
    model.to(gpu)
    model.train()
    for seed in range(3):
        inputs, data = batch(4, seed)
        inputs = model.data_preprocessor(
            dict(inputs=inputs, data_samples=data), training=True
        )
        torch.cuda.synchronize()
        if seed == 2:
            torch.cuda.set_sync_debug_mode('error')
        try:
            model(**inputs, mode='loss')['loss'].backward()
        finally:
            torch.cuda.set_sync_debug_mode('default')
