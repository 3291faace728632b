"""Random defect windows, the training data of the generator."""

import numpy as np
import torch
from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from .compositing import crop
from .defect_geometry import defect_alpha, free_place, place_window
from .labelled_images import BACKGROUND, LabelledImages


@DATASETS.register_module()
class DefectWindowDataset(Dataset):
    """Crops at native resolution around labelled defects.

    Each item is drawn at random from numpy's global generator, which MMEngine
    seeds in every worker: first a class, each with the same probability, then
    one of its defects, then a window over it. The class ``background``, drawn
    as often as any other, shows free ground under the alpha of some defect;
    it is what teaches the generator to synthesise *no* defect.

    Windows are mirrored, never turned: in rolled or brushed metal the
    direction of a texture means something.

    Args:
        ann_file (str): COCO json of the labelled images.
        img_prefix (str): Folder that its file names start from.
        window (int): Side of the square windows in pixels, clipped to no
            image: every image must be at least this large. Defaults to 64.
        channels (int): 1 for grey images, 3 for colour. Defaults to 1.
        length (int): Nominal number of windows; any index gives a fresh
            draw. Defaults to 1000.

    Raises:
        FileNotFoundError: The json is missing.
        ValueError: No annotations, or an image smaller than ``window``.
    """

    def __init__(
        self,
        ann_file: str,
        img_prefix: str,
        window: int = 64,
        channels: int = 1,
        length: int = 1000,
    ) -> None:
        if window < 16:
            msg = (
                f'window must be at least 16 pixels, got {window}: less has '
                'no room for a defect and its rim'
            )
            raise ValueError(msg)
        self.ann_file = ann_file
        self.data = LabelledImages(ann_file, img_prefix, channels)
        self.window = window
        self.length = length
        small = min((min(i.size), i.file_name) for i in self.data.images)
        if small[0] < window:
            msg = (
                f'window={window} is larger than {small[1]}, whose shorter '
                f'side is {small[0]} pixels; choose a smaller window'
            )
            raise ValueError(msg)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by label; the last is ``background``."""
        return (*self.data.classes, BACKGROUND)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        """Draws a window.

        Returns:
            dict: ``image`` float32 (channels, window, window) in [-1, 1];
            ``mask`` float32 (1, window, window) in [0, 1], alpha of the
            defect; ``label`` int64 scalar tensor.
        """
        pixels, alpha, label = self.draw(np.random)
        if np.random.rand() < 0.5:
            pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        if np.random.rand() < 0.5:
            pixels, alpha = pixels[::-1], alpha[::-1]
        return dict(
            image=to_tensor(pixels),
            mask=alpha_to_tensor(alpha),
            label=torch.tensor(label),
        )

    @property
    def labels(self) -> list[int]:
        """Labels that windows are drawn of; the last is background's."""
        return [*self.data.present, len(self.data.classes)]

    def draw(
        self, rng: np.random.RandomState, label: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Draws a window.

        Args:
            rng (np.random.RandomState): Source of randomness.
            label (int, optional): One of ``labels``. Defaults to None, any
                of them.

        Returns:
            tuple: Pixels uint8 (H, W, C), alpha uint8 (H, W) and the label;
            that of a defect where background was asked for and no ground
            is free.
        """
        labels = self.labels
        if label is None:
            label = labels[rng.randint(len(labels))]
        if label == len(self.data.classes):
            drawn = self._draw_background(rng)
            if drawn is not None:
                return *drawn, label
            # No free ground anywhere near: a defect instead.
            label = labels[rng.randint(len(labels) - 1)]
        found = self.data.by_class[label]
        index, defect = found[rng.randint(len(found))]
        image = self.data.images[index]
        # A ragged defect may show nothing in some window of it; its box
        # always shows something.
        for mask in (*[image.mask(defect)] * 8, None):
            window = place_window(
                defect.box, image.size, (self.window, self.window), rng
            )
            alpha = defect_alpha(window, image.size, defect.box, mask)
            if alpha.any():
                break
        return crop(self.data.read(index), window), alpha, label

    def _draw_background(
        self, rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray] | None:
        for _ in range(10):
            label = self.data.present[rng.randint(len(self.data.present))]
            found = self.data.by_class[label]
            _, shape_of = found[rng.randint(len(found))]
            index = rng.randint(len(self.data.images))
            image = self.data.images[index]
            limit = self.window - 2
            size = (min(shape_of.box[2], limit), min(shape_of.box[3], limit))
            place = free_place(size, image.size, image.taken, rng, tries=10)
            if place is not None:
                window = place_window(
                    place, image.size, (self.window, self.window), rng
                )
                alpha = defect_alpha(window, image.size, place, None)
                return crop(self.data.read(index), window), alpha
        return None


def alpha_to_tensor(alpha: np.ndarray) -> torch.Tensor:
    """uint8 (H, W) alpha to float32 (1, H, W) in [0, 1]."""
    return torch.from_numpy(alpha.astype(np.float32) / 255)[None]


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, C) pixels to float32 (C, H, W) in [-1, 1]."""
    scaled = pixels.astype(np.float32) / 127.5 - 1
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))
