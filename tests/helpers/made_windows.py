"""Synthetic windows and features to evaluate a bank with."""

import numpy as np
import torch

from mmdet_ddpm_moco.evaluation.distributions import WindowSet
from mmdet_ddpm_moco.evaluation.windows import DefectWindow


def window(label=0, kind='real', image=0, whole=True, pixels=None):
    if pixels is None:
        pixels = np.full((16, 16, 3), 128, np.uint8)
    return DefectWindow(pixels, label, kind, image, (2, 3, 5, 6), whole)


def window_set(windows, features=None, logits=None, bands=None):
    """Windows with features, by default normal noise."""
    n = len(windows)
    generator = torch.Generator().manual_seed(n)
    if features is None:
        features = torch.randn(n, 4, generator=generator)
    if bands is None:
        bands = np.random.RandomState(n).randn(n, 8)
    return WindowSet(windows, features, logits, bands)
