"""Random defect windows, the training data of the generator."""

from dataclasses import dataclass

import numpy as np
import torch
from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from ..bank.compositing import Box, crop
from ..utils.errors import InputError
from .labeled_images import BACKGROUND, Defect, LabeledImages
from .window_geometry import (
    defect_alpha,
    find_free_box,
    place_window,
    window_size,
)

# Sides are multiples of this many pixels, as a U-Net of four levels wants.
_STEP = 8


@DATASETS.register_module()
class DefectWindowDataset(Dataset):
    """Crops at native resolution around labeled defects.

    Each item is drawn at random from numpy's global generator, which MMEngine
    seeds in every worker: first a class, each with the same probability, then
    one of its defects, then a window over it. The class ``background``, drawn
    as often as any other, shows free ground under the alpha of some defect;
    it is what teaches the generator to synthesize *no* defect.

    Windows are mirrored, never turned: in rolled or brushed metal the
    direction of a texture means something.

    With ``max_window`` a window is as large as synthesis makes it for its
    defect. In a square window a longer defect always runs over the edge:
    the generator would learn to draw it on from what it is shown there, and
    on free ground it is shown nothing.

    Args:
        ann_file (str): COCO json of the labeled images.
        img_prefix (str): Folder that its file names start from.
        window (int): Side of a square window in pixels; every image must be
            at least this large. With ``max_window`` it sizes the batches:
            one of n has the pixels of n such squares. Defaults to 64.
        max_window (int, optional): Side in pixels of the largest square
            window, see :func:`window_size`. Defaults to None, all windows
            are squares of side ``window``.
        channels (int): 1 for gray images, 3 for color. Defaults to 1.
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
        if window < 16:
            msg = (
                f'window must be at least 16 pixels, got {window}: less has '
                'no room for a defect and its rim'
            )
            raise InputError(msg)
        self.ann_file = ann_file
        self.data = LabeledImages(ann_file, img_prefix, channels)
        if max_window is not None and max_window < window:
            msg = f'max_window={max_window} is smaller than window={window}'
            raise InputError(msg)
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
        return _item(self.draw(np.random), np.random)

    def __getitems__(self, indices: list[int]) -> list[dict]:
        """Draws windows of one size, a batch for PyTorch's ``DataLoader``.

        The first may be any window; the others are drawn until they have
        its size, so that over many batches windows are as frequent as if
        each were drawn alone. All batches have about as many pixels.
        """
        chosen = [self._choose(np.random)]
        w, h = chosen[0].size
        number = max(1, len(indices) * self.window**2 // (w * h))
        while len(chosen) < number:
            choice = self._choose(np.random)
            if choice.size == (w, h):
                chosen.append(choice)
        return [_item(self._cut(c, np.random), np.random) for c in chosen]

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
        return self._cut(self._choose(rng, label), rng)

    def _choose(
        self, rng: np.random.RandomState, label: int | None = None
    ) -> '_Choice':
        labels = self.labels
        if label is None:
            label = labels[rng.randint(len(labels))]
        if label == len(self.data.classes):
            ground = self._choose_ground(rng)
            if ground is not None:
                return ground
            # No free ground anywhere near: a defect instead.
            label = labels[rng.randint(len(labels) - 1)]
        index, defect = self._any_defect(label, rng)
        size = self._size(defect.box, self.data.images[index].size, rng)
        return _Choice(label, index, defect.box, size, defect)

    def _choose_ground(self, rng: np.random.RandomState) -> '_Choice | None':
        for _ in range(10):
            label = self.data.present[rng.randint(len(self.data.present))]
            _, shape_of = self._any_defect(label, rng)
            index = rng.randint(len(self.data.images))
            image = self.data.images[index]
            size = self._size(shape_of.box, image.size, rng)
            # Of a defect larger than the window, as much as it shows.
            shown = [min(b, s - 2) for b, s in zip(shape_of.box[2:], size)]
            place = find_free_box(
                shown, image.size, image.taken, rng, tries=10
            )
            if place is not None:
                return _Choice(len(self.data.classes), index, place, size)
        return None

    def _any_defect(
        self, label: int, rng: np.random.RandomState
    ) -> tuple[int, Defect]:
        found = self.data.by_class[label]
        return found[rng.randint(len(found))]

    def _cut(
        self, choice: '_Choice', rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray, int]:
        image = self.data.images[choice.index]
        mask = choice.defect and image.mask(choice.defect)
        # A ragged defect may show nothing in some window of it; its box
        # always shows something.
        for shape in (*[mask] * 8, None):
            window = place_window(choice.box, image.size, choice.size, rng)
            alpha = defect_alpha(window, image.size, choice.box, shape)
            if alpha.any():
                break
        pixels = crop(self.data.read(choice.index), window)
        return pixels, alpha, choice.label

    def _size(
        self, box: Box, image_size: tuple[int, int], rng: np.random.RandomState
    ) -> tuple[int, int]:
        """Width and height of a window for a defect."""
        if self.max_window is None:
            return self.window, self.window
        w, h = (
            min(side, total // _STEP * _STEP)
            for side, total in zip(
                window_size(box, self.max_window, rng), image_size
            )
        )
        return w, h


@dataclass(frozen=True)
class _Choice:
    """What a window is to show: a defect, or ground where ``defect`` is None.

    Attributes:
        label (int): Its label.
        index (int): Index of the image.
        box (tuple): ``(x, y, w, h)`` of the defect or ground in the image.
        size (tuple[int, int]): Width and height of the window.
        defect (Defect | None): The defect.
    """

    label: int
    index: int
    box: Box
    size: tuple[int, int]
    defect: Defect | None = None


def _item(
    drawn: tuple[np.ndarray, np.ndarray, int], rng: np.random.RandomState
) -> dict:
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
