"""Real windows, which mmagic's metrics compare generated ones with."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from mmagic.registry import DATASETS
from mmagic.structures import DataSample
from torch.utils.data import Dataset

from ...datasets.labeled_images import LabeledImages
from ...evaluation.features import square
from ...evaluation.windows import real_windows
from ...utils.checks import check_arguments


@DATASETS.register_module()
class RealDefectWindows(Dataset):
    """A window around each labeled defect, as :class:`DefectDDPMSampler`'s.

    Sizes and places are drawn as synthesis draws them, so that a distance to
    generated windows is about the generator alone.

    Args:
        ann_file (str): COCO json of the labeled images; best of images that
            the generator was not trained on.
        img_prefix (str): Folder that its file names start from.
        max_window (int): Side in pixels of the largest square window, as of
            the sampler. Defaults to 128.
        image_size (int): Side in pixels that windows are resized to, as by
            the sampler. Defaults to 224.
        channels (int): 1 for gray images, 3 for color. Defaults to 1.
        seed (int): Of sizes and places, at least 0. Defaults to 0.

    Raises:
        FileNotFoundError: The json is missing.
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        ann_file: str,
        img_prefix: str,
        max_window: int = 128,
        image_size: int = 224,
        channels: int = 1,
        seed: int = 0,
    ) -> None:
        check_arguments(
            locals(),
            max_window=(max_window >= 16, 'at least 16 pixels'),
            image_size=(image_size >= 1, 'at least 1 pixel'),
            seed=(seed >= 0, 'at least 0'),
        )
        data = LabeledImages(ann_file, img_prefix, channels)
        self.windows = real_windows(data, max_window, seed)
        self.image_size = image_size
        # By these mmagic names the statistics that it keeps of real images.
        self.data_root = str(img_prefix)
        self.data_prefix = dict(gt=str(img_prefix))
        self.pipeline: list = []
        self.metainfo = dict(
            classes=data.classes,
            annotations=hashlib.sha256(
                Path(ann_file).read_bytes()
            ).hexdigest(),
            max_window=max_window,
            image_size=image_size,
            channels=channels,
            seed=seed,
        )

    def __len__(self) -> int:
        return len(self.windows)

    def get_data_info(self, index: int) -> dict:
        """``gt_label``, a list of one; mmagic draws conditions from it."""
        return dict(gt_label=[self.windows[index].label])

    def __getitem__(self, index: int) -> dict:
        """A window in mmagic's format, without inputs of the model.

        Returns:
            dict: ``inputs``, empty, and ``data_samples`` with ``gt_img``,
            BGR uint8 (3, S, S), and ``gt_label``.
        """
        window = self.windows[index]
        sample = DataSample(gt_img=bgr_square(window.pixels, self.image_size))
        return dict(
            inputs=dict(), data_samples=sample.set_gt_label(window.label)
        )


def bgr_square(pixels: np.ndarray, size: int) -> torch.Tensor:
    """Resizes BGR uint8 (h, w, 3) to a square, BGR uint8 (3, S, S)."""
    return torch.from_numpy(square(pixels, size)).flip(0)
