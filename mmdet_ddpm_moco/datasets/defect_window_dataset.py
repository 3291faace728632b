"""Random defect windows, the training data of the generator."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from ..bank.compositing import Box, crop
from ..utils.checks import check_arguments
from ..utils.errors import InputError
from .labeled_images import BACKGROUND, Defect, LabeledImages
from .window_geometry import (
    defect_alpha,
    find_free_box,
    place_window,
    window_size,
)

# Sides are multiples of this many pixels, for a U-Net of four levels.
_STEP = 8
Rng = np.random.RandomState
# numpy's global generator, which MMEngine seeds in every worker.
_GLOBAL_RNG = cast(Rng, np.random)
# Pixels uint8 (H, W, C), alpha uint8 (H, W) and label of a window.
Drawn = tuple[np.ndarray, np.ndarray, int]


@DATASETS.register_module()
class DefectWindowDataset(Dataset):
    """Crops at native resolution around labeled defects.

    Each item is drawn from numpy's global generator: first a class, each with
    the same probability, then one of its defects, then a window over it. The
    class ``background``, as probable as any other, has defect-free windows
    under the mask of some defect, from which the generator learns to
    synthesize *no* defect. They are of all images, also of those that
    teachers labeled: there, a defect of which no teacher was even unsure
    counts as background.

    Windows are flipped but not rotated: in rolled or brushed metal the
    direction of a texture is significant.

    With ``max_window`` windows have the sizes that synthesis uses for their
    defects. A square window never contains a long defect: the generator would
    learn to continue it from the pixels around the mask, which a defect-free
    area does not have. A batch of small windows holds more of them, so that
    these, and the classes that have them, are more in number than if drawn
    one by one.

    Args:
        ann_file (str): COCO json of the labeled images.
        img_prefix (str): Folder that its file names start from.
        window (int): Side of a square window in pixels, at least 16 and at
            most the shortest side of the images. With ``max_window`` it
            determines the batch size: a batch of n has the pixels of n such
            squares. Defaults to 64.
        max_window (int, optional): Side in pixels of the largest square
            window, see :func:`window_size`. Defaults to None, squares of
            side ``window``.
        channels (int): 1 for gray images, 3 for color. With 1, color images
            are refused when the first window is drawn. Defaults to 1.
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
        max_window: int | None = None,
        channels: int = 1,
        length: int = 1000,
    ) -> None:
        check_arguments(
            locals(),
            # Less has no room for a defect and its rim.
            window=(window >= 16, 'at least 16 pixels'),
            max_window=(
                max_window is None or max_window >= window,
                f'at least window={window}',
            ),
        )
        self.ann_file = ann_file
        self.data = LabeledImages(ann_file, img_prefix, channels)
        self.window = window
        self.max_window = max_window
        self.length = length
        small = min((min(i.size), i.file_name) for i in self.data.images)
        if small[0] < window:
            msg = (
                f'window={window} is larger than {small[1]}, whose shorter '
                f'side is {small[0]} pixels; choose a smaller window'
            )
            raise InputError(msg)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by label; the last is ``background``."""
        return (*self.data.classes, BACKGROUND)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        """Draws a window.

        Returns:
            dict: ``image`` float32 (channels, H, W) in [-1, 1]; ``mask``
            float32 (1, H, W) in [0, 1], alpha of the defect; ``label``
            int64 scalar tensor.
        """
        return _item(self.draw(_GLOBAL_RNG), _GLOBAL_RNG)

    def __getitems__(self, indices: list[int]) -> list[dict]:
        """Draws a batch of windows of one size, for torch's ``DataLoader``.

        The first may be any window; the others are drawn until they have
        its size. All batches have about as many pixels, so that one of small
        windows holds more of them. In a loss that is a mean over the batch
        each size weighs as much as if drawn independently, but small windows
        are more in number.
        """
        chosen = [self._choose(_GLOBAL_RNG)]
        w, h = chosen[0].size
        number = max(1, len(indices) * self.window**2 // (w * h))
        while len(chosen) < number:
            choice = self._choose(_GLOBAL_RNG)
            if choice.size == (w, h):
                chosen.append(choice)
        return [_item(self._cut(c, _GLOBAL_RNG), _GLOBAL_RNG) for c in chosen]

    @property
    def labels(self) -> list[int]:
        """Labels that are drawn; the last is that of background."""
        return [*self.data.present, len(self.data.classes)]

    def draw(self, rng: Rng, label: int | None = None) -> Drawn:
        """Draws a window of one of ``labels``, by default of any.

        Returns:
            tuple: Pixels uint8 (H, W, C), alpha uint8 (H, W) and the label;
            instead of background that of a defect if no defect-free area is
            found.
        """
        return self._cut(self._choose(rng, label), rng)

    def _choose(self, rng: Rng, label: int | None = None) -> '_Choice':
        labels = self.labels
        if label is None:
            label = labels[rng.randint(len(labels))]
        if label == len(self.data.classes):
            background = self._choose_background(rng)
            if background is not None:
                return background
            label = labels[rng.randint(len(labels) - 1)]
        index, defect = self._any_defect(label, rng)
        size = self._size(defect.box, self.data.images[index].size, rng)
        return _Choice(label, index, defect.box, size, defect)

    def _choose_background(self, rng: Rng) -> '_Choice | None':
        for _ in range(10):
            label = self.data.present[rng.randint(len(self.data.present))]
            _, shape_of = self._any_defect(label, rng)
            index = rng.randint(len(self.data.images))
            image = self.data.images[index]
            size = self._size(shape_of.box, image.size, rng)
            # Of a defect larger than the window, the part that fits.
            w, h = (min(b, s - 2) for b, s in zip(shape_of.box[2:], size))
            box = find_free_box(
                (w, h), image.size, image.occupied, rng, tries=10
            )
            if box is not None:
                return _Choice(len(self.data.classes), index, box, size)
        return None

    def _any_defect(self, label: int, rng: Rng) -> tuple[int, Defect]:
        found = self.data.by_class[label]
        return found[rng.randint(len(found))]

    def _cut(self, choice: '_Choice', rng: Rng) -> Drawn:
        image = self.data.images[choice.index]
        mask = None if choice.defect is None else image.mask(choice.defect)
        # A window may miss a ragged defect, but not its box.
        for shape in (*[mask] * 8, None):
            window = place_window(choice.box, image.size, choice.size, rng)
            alpha = defect_alpha(window, image.size, choice.box, shape)
            if alpha.any():
                break
        self.data.check_colors()
        pixels = crop(self.data.read(choice.index), window)
        return pixels, alpha, choice.label

    def _size(
        self, box: Box, image_size: tuple[int, int], rng: Rng
    ) -> tuple[int, int]:
        """Width and height of a window for a defect."""
        if self.max_window is None:
            return self.window, self.window
        w, h = window_size(box, self.max_window, rng)
        most_w, most_h = (total // _STEP * _STEP for total in image_size)
        return min(w, most_w), min(h, most_h)


@dataclass(frozen=True)
class _Choice:
    """What a window is cut around: a defect or, without one, background."""

    label: int
    index: int  # of the image
    box: Box  # of the defect or defect-free area, in the image
    size: tuple[int, int]  # (width, height) of the window
    defect: Defect | None = None


def _item(drawn: Drawn, rng: Rng) -> dict:
    pixels, alpha, label = drawn
    if rng.rand() < 0.5:
        pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
    if rng.rand() < 0.5:
        pixels, alpha = pixels[::-1], alpha[::-1]
    return dict(
        image=to_tensor(pixels),
        mask=alpha_to_tensor(alpha),
        label=torch.tensor(label),
    )


def alpha_to_tensor(alpha: np.ndarray) -> torch.Tensor:
    """uint8 (H, W) alpha to float32 (1, H, W) in [0, 1]."""
    return torch.from_numpy(alpha.astype(np.float32) / 255)[None]


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, C) pixels to float32 (C, H, W) in [-1, 1]."""
    scaled = pixels.astype(np.float32) / 127.5 - 1
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))
