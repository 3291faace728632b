"""A DefectDDPM small enough for tests, and batches for it."""

import torch

from mmdet_ddpm_moco.models.ddpm import DefectDDPM

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
