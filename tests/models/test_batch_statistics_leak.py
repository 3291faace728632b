"""The leak through batch statistics, and that splitting them stops it."""

import torch
from torch import nn

from helpers.tiny_moco import build
from mmdet_ddpm_moco.models.split_batch_norm import split_batch_norm


class Cheat(nn.Module):
    """An encoder that encodes the batch and nothing of the image.

    It returns the statistics it is normalized with, which a network can
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
    split_batch_norm(model.encoder_k, bn_splits)
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
            keys = model._encode_keys(images, step)
            own = (query * keys).sum(1)
            others = query @ model.queue  # (B, K), of other batches
            right.append((own[:, None] > others + 1e-4).all(1).float())
            ids = torch.arange(16)
            model._enqueue(keys, ids, ids)
    return float(torch.cat(right[10:]).mean())  # the queue is full by then


def test_the_leak():
    """With one group this encoder finds each key, with four none."""
    assert first_ranks(bn_splits=1) == 1
    # Chance is 1 / 81.
    assert first_ranks(bn_splits=4) < 0.1
