"""Windows of known class, to see what a backbone tells apart."""

import numpy as np
import torch
from mmcv.transforms import Compose, LoadImageFromFile, Resize

from mmdet_ddpm_moco.datasets.contrastive_sources import Sample, read_source
from mmdet_ddpm_moco.datasets.defect_geometry import free_place
from mmdet_ddpm_moco.datasets.labelled_images import (
    BACKGROUND,
    LabelledImages,
)
from mmdet_ddpm_moco.datasets.transforms.crop_to_sample import CropToSample

# Always the same background windows, so that runs can be compared.
_SEED = 0


def labelled_windows(
    ann_file: str,
    img_prefix: str,
    context: float = 0.5,
    min_size: int = 32,
    background: int = 0,
) -> list[Sample]:
    """Lists a window for each annotated box, and some of free ground.

    Args:
        ann_file (str): COCO json.
        img_prefix (str): Folder that its file names start from.
        context (float): What is added to each side of a box, as a share of
            it. Defaults to 0.5, as in ``ContrastiveDataset``.
        min_size (int): Shortest side of a window in pixels. Defaults to 32.
        background (int): Windows of free ground wanted of each image; an
            image without the room gives fewer. They have the sizes of the
            other windows, so that size alone tells nothing. Defaults to 0.

    Returns:
        list[Sample]: The class's name, or ``background``, is the
        ``dataset``.

    Raises:
        FileNotFoundError: The json or an image is missing.
        ValueError: An argument is out of range, or no box in the json.
    """
    if background < 0:
        msg = f'background must be at least 0, got {background}'
        raise ValueError(msg)
    samples, _ = read_source(
        dict(
            ann_file=ann_file,
            img_prefix=img_prefix,
            context=context,
            min_size=min_size,
            dataset_ids='class',
        )
    )
    rng = np.random.RandomState(_SEED)
    ground = []
    for image in LabelledImages(ann_file, img_prefix).images:
        for _ in range(background):
            size = samples[rng.randint(len(samples))].crop[2:]
            place = free_place(size, image.size, image.taken, rng)
            if place is not None:
                ground.append(Sample(image.path, place, BACKGROUND))
    return samples + ground


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
