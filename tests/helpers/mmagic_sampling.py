"""A tiny sampler of mmagic's runner, and an extractor that scores it."""

import numpy as np
import torch
from torch import nn

from mmdet_ddpm_moco.evaluation.features import FeatureExtractor

SIZE = 24
BATCH = 4
# Of each image one defect, so that windows find room.
DEFECTS = [
    [('dent', 4, 5, 6, 5)],
    [('pit', 20, 8, 5, 9)],
    [('scratch', 10, 20, 14, 4)],
    [('pit', 30, 26, 8, 7)],
    [('dent', 12, 6, 9, 8)],
]


class Backbone(nn.Sequential):
    def forward(self, x):
        return (super().forward(x),)


def small_extractor():
    torch.manual_seed(0)
    return FeatureExtractor(
        Backbone(nn.Conv2d(3, 4, 5, stride=2), nn.ReLU()),
        (120.0,) * 3,
        (4.0,) * 3,  # features large enough for distances to differ
        'small',
        size=SIZE,
        classifier=nn.Linear(4, 6),
    )


def sampler(parts, **changes):
    settings = {
        'max_window': 32,
        'image_size': SIZE,
        'num_inference_steps': 2,
        **{k: v for k, v in parts.items() if k != 'extractor'},
        **changes,
    }
    from mmdet_ddpm_moco import DefectDDPMSampler

    return DefectDDPMSampler(**settings)


def as_bgr(samples):
    return [
        sample.fake_img.permute(1, 2, 0).numpy().astype(np.uint8)
        for sample in samples
    ]
