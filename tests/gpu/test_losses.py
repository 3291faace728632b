"""Losses and their gradients, CPU against GPU."""

import itertools

import pytest
import torch

from helpers.devices import close, to
from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    denormalize,
    normalize,
)
from mmdet_ddpm_moco.models.losses.dataset_contrastive_loss import (
    dataset_contrastive_loss,
)
from mmdet_ddpm_moco.models.losses.denoising_loss import (
    denoising_loss,
    min_snr_weight,
)
from mmdet_ddpm_moco.models.noise_schedule import build_schedule

LOSS, GRADIENT = 1e-5, 1e-4
OPTIONS = [
    dict(
        instance_weight=weight,
        average_over_datasets=average,
        mask_same_dataset=same_dataset,
        mask_same_image=same_image,
    )
    for weight, average, same_dataset, same_image in itertools.product(
        (0.0, 0.5, 1.0), *[(False, True)] * 3
    )
]


def unit(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator)
    return torch.nn.functional.normalize(values, dim=-1)


def contrast(filled):
    source = torch.Generator().manual_seed(3)
    number, length = 12, 64
    return dict(
        query=unit(number, 16, seed=0),
        keys=unit(number, 16, seed=1),
        dataset_ids=torch.arange(number) % 4,
        image_ids=torch.arange(number),
        queue=unit(length, 16, seed=2).T.contiguous(),
        queue_dataset_ids=torch.randint(4, (length,), generator=source),
        queue_image_ids=torch.randint(99, (length,), generator=source),
        queue_mask=torch.arange(length) < filled,
    )


@pytest.mark.parametrize('filled', [0, 40, 64])
@pytest.mark.parametrize('options', OPTIONS, ids=str)
def test_contrastive_loss(device, options, filled):
    results = []
    for place in ('cpu', device):
        data = to(contrast(filled), place)
        query = data['query'].requires_grad_()
        loss = dataset_contrastive_loss(**data, **options)
        loss.backward()
        assert loss.device.type == query.grad.device.type == place
        results.append((loss, query.grad))
    close(results[1][0], results[0][0], LOSS, 'loss')
    close(results[1][1], results[0][1], GRADIENT, 'gradient')


@pytest.mark.parametrize('weighted', [False, True])
def test_denoising_loss(device, weighted):
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, 6, 1, 32, 32, generator=generator)
    mask = torch.rand(6, 1, 32, 32, generator=generator)
    timesteps = torch.tensor([0, 1, 10, 200, 700, 999])
    results = []
    for place in ('cpu', device):
        weight = None
        if weighted:
            weight = min_snr_weight(build_schedule(), timesteps.to(place), 5.0)
        predicted = prediction.to(place, copy=True).requires_grad_()
        loss = denoising_loss(
            predicted, target.to(place), mask.to(place), 0.1, weight
        )
        loss.backward()
        results.append((loss, predicted.grad))
    close(results[1][0], results[0][0], LOSS, 'loss')
    close(results[1][1], results[0][1], GRADIENT, 'gradient')


@pytest.mark.parametrize('channels', [1, 3])
def test_units_of_the_background(device, channels):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(5, channels, 40, 40, generator=generator) * 2 - 1
    mask = torch.zeros(5, 1, 40, 40)
    mask[:, :, 8:24, 10:30] = 1
    mask[4] = 1  # none of it is background
    expected = background_statistics(image, mask)
    found = background_statistics(image.to(device), mask.to(device))
    for one, other in zip(found, expected):
        assert one.device.type == device
        close(one, other, 1e-6)
    normalized = normalize(image.to(device), *found)
    close(normalized, normalize(image, *expected), 1e-5)
    # There and back, but for what the range cuts off.
    close(denormalize(normalized, *found), image, 1e-4)
