"""Batch normalisation by groups, and the leak that it stops."""

import pytest
import torch
import torch.nn.functional as F
from tiny_moco import build
from torch import nn

from mmdet_ddpm_moco.models.split_statistics import encode_in_groups


@pytest.mark.parametrize(
    'number, splits, sizes',
    [(8, 4, [2] * 4), (9, 4, [3, 2, 2, 2]), (5, 8, [3, 2]), (6, 1, [6])],
)
def test_each_group_has_its_own_statistics(number, splits, sizes):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3, momentum=0.2)
    norm.running_mean.normal_()
    old = norm.running_mean.clone(), norm.running_var.clone()
    images = torch.randn(number, 3, 4, 4) * 2 + 1
    found = encode_in_groups(norm, [norm], images, splits)
    groups = images.split(sizes)
    expected = torch.cat(
        [F.batch_norm(group, None, None, training=True) for group in groups]
    )
    torch.testing.assert_close(found, expected)
    # One step of the running statistics, towards the mean of the groups'.
    mean = torch.stack([group.mean((0, 2, 3)) for group in groups]).mean(0)
    var = torch.stack([group.var((0, 2, 3)) for group in groups]).mean(0)
    torch.testing.assert_close(norm.running_mean, 0.8 * old[0] + 0.2 * mean)
    torch.testing.assert_close(norm.running_var, 0.8 * old[1] + 0.2 * var)
    assert norm.momentum == 0.2


@pytest.mark.parametrize(
    'module', [nn.GroupNorm(1, 3), nn.BatchNorm2d(3).eval()]
)
def test_without_batch_statistics_the_batch_stays_whole(module):
    seen = []
    encode_in_groups(
        lambda group: seen.append(len(group)), [module], torch.ones(8, 3), 4
    )
    assert seen == [8]


class Cheat(nn.Module):
    """An encoder that tells batches and nothing about the image.

    It passes on the statistics it is normalised with, which a network can
    compute from a feature that is the same in all images, such as that of
    padding.
    """

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3, affine=False)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images):
        normed = self.norm(images)
        spread = images.std((2, 3)) / normed.std((2, 3))
        mean = images.mean((2, 3)) - spread * normed.mean((2, 3))
        # A sharp code: any difference of the statistics changes it.
        torch_rng = torch.Generator().manual_seed(0)
        wave = torch.randn(3, 32, generator=torch_rng) * 100
        return (self.scale * torch.cos(mean @ wave),)


def first_ranks(bn_splits, momentum=0.5):
    """Share of queries to which their own key is the nearest of all."""
    model = build(bn_splits=bn_splits, queue_len=80, feat_dim=32)
    model.backbone = Cheat()
    model.neck = nn.Identity()
    model.neck.forward = lambda maps: maps
    model.encoder_k = type(model.encoder_k)(
        nn.Sequential(model.backbone, model.neck), momentum
    )
    model.encoder_k.module[1].forward = lambda maps: maps
    generator = torch.Generator().manual_seed(0)
    right = []
    for step in range(40):
        torch.manual_seed(step)
        images = torch.randn(16, 3, 4, 4, generator=generator)
        # Batch statistics are those of the tones.
        tone = torch.randn(16, 3, 1, 1, generator=generator)
        images = images - images.mean((2, 3), keepdim=True) + tone
        with torch.no_grad():
            query = model._encode_queries(images)
            keys = model._encode_keys(images)
            own = (query * keys).sum(1)
            others = query @ model.queue  # (B, K), of other batches
            right.append((own[:, None] > others + 1e-4).all(1).float())
            ids = torch.arange(16)
            model._enqueue(keys, ids, ids)
    return float(torch.cat(right[10:]).mean())  # the queue is full by then


def test_the_leak():
    """With one group a blind encoder finds each key, with four none."""
    assert first_ranks(bn_splits=1) == 1
    # Chance is 1 / 81.
    assert first_ranks(bn_splits=4) < 0.1
