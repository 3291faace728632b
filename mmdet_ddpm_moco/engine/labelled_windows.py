"""Windows of known class, to see what a backbone tells apart."""

import numpy as np
import torch
from mmcv.transforms import Compose, LoadImageFromFile, Resize

from mmdet_ddpm_moco.datasets.sample_lists import Sample
from mmdet_ddpm_moco.datasets.transforms.crop_to_sample import CropToSample


def read_windows(
    windows: list[Sample], image_size: tuple[int, int]
) -> torch.Tensor:
    """Reads windows and scales each to one size, whatever its own.

    Args:
        windows (list[Sample]): At least one.
        image_size (tuple[int, int]): ``(height, width)`` in pixels.

    Returns:
        torch.Tensor: BGR, uint8 (N, 3, height, width).
    """
    read = Compose(
        [LoadImageFromFile(), CropToSample(), Resize(image_size[::-1])]
    )
    pixels = [
        read(dict(img_path=str(window.path), crop=window.crop))['img']
        for window in windows
    ]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
