"""Windows and features made up for the evaluation of a bank."""

import numpy as np
import torch

from mmdet_ddpm_moco.evaluation.distributions import Measured
from mmdet_ddpm_moco.evaluation.windows import DefectWindow


def window(label=0, kind='real', image=0, whole=True, pixels=None):
    if pixels is None:
        pixels = np.full((16, 16, 3), 128, np.uint8)
    return DefectWindow(pixels, label, kind, image, (2, 3, 5, 6), whole)


def measured(windows, features=None, logits=None, bands=None):
    """Windows with features that are normal noise unless told otherwise."""
    n = len(windows)
    generator = torch.Generator().manual_seed(n)
    if features is None:
        features = torch.randn(n, 4, generator=generator)
    if bands is None:
        bands = np.random.RandomState(n).randn(n, 8)
    return Measured(windows, features, logits, bands)
