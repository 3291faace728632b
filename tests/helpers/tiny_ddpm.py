"""A DefectDDPM small enough for tests, and batches for it."""

import math

import torch

from mmdet_ddpm_moco.models.ddpm import DefectDDPM

STEPS = 1000  # of the default schedule
UNET = dict(
    block_out_channels=(8, 8),
    down_block_types=('DownBlock2D',) * 2,
    up_block_types=('UpBlock2D',) * 2,
    layers_per_block=1,
    norm_num_groups=4,
)


def build(seed=0, **changes):
    torch.manual_seed(seed)
    return DefectDDPM(**{'num_classes': 3, 'unet': UNET, **changes})


def batch(number=3, channels=1, size=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (number, channels, size, size)
    image = torch.rand(shape, generator=generator) * 2 - 1
    mask = torch.rand((number, 1, size, size), generator=generator)
    mask = (mask * 2 - 0.5).clamp(0, 1)
    label = torch.randint(0, 4, (number,), generator=generator)
    return dict(image=image, mask=mask, label=label)


def cosine_alpha_bar():
    """Nichol and Dhariwal 2021, eq. 17, with betas of at most 0.999."""

    def f(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    product, result = 1.0, []
    for i in range(STEPS):
        beta = min(1 - f((i + 1) / STEPS) / f(i / STEPS), 0.999)
        product *= 1 - beta
        result.append(product)
    return result
