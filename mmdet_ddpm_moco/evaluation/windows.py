"""Synthesized and real windows, cut in the same way.

A comparison is about the generator only if both sides differ in nothing
else: sizes and places of real windows are drawn by the functions that
planned the bank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..bank.compositing import Box, as_bgr, crop, relative
from ..bank.format import NULL, BankWindow
from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from ..datasets.window_geometry import fits_whole, place_window, window_size
from ..utils.errors import InputError

# Windows of a bank, each with the index of its host in LabeledImages.images.
Hosts = Sequence[tuple[BankWindow, int]]


@dataclass(frozen=True)
class DefectWindow:
    """A window with one defect."""

    pixels: np.ndarray  # BGR uint8 (h, w, 3)
    label: int  # index of its class
    kind: str  # 'real', 'add' or 'replaces'
    image: int  # index in LabeledImages.images
    box: Box  # of the defect in the window
    # Whether a window of the largest size contains the defect with its rim,
    # which is required to add it.
    whole: bool


def find_hosts(bank: DefectBank, data: LabeledImages) -> Hosts:
    """Finds the image of each window of a bank, in the order of the bank.

    ``data`` are the images that the bank was made from.

    Raises:
        ValueError: The bank has other classes or other images, or its
            annotations cannot be read.
    """
    if bank.classes != data.classes:
        msg = (
            f'the defect bank {bank.root} has the classes '
            f'{", ".join(bank.classes)}, the training images have '
            f'{", ".join(data.classes)}; give the config of the generator '
            'that made it'
        )
        raise InputError(msg)
    indices = {image.file_name: i for i, image in enumerate(data.images)}
    foreign = sorted(set(bank.sources.values()) - set(indices))
    if foreign:
        msg = (
            f'the defect bank {bank.root} was made on {foreign[0]}, which is '
            'not among the training images; give the config of the generator '
            'that made it'
        )
        raise InputError(msg)
    return [(w, indices[bank.sources[w.number]]) for w in bank]


def paste_on_host(
    bank: DefectBank, data: LabeledImages, window: BankWindow, image: int
) -> np.ndarray:
    """A host with one window pasted, BGR uint8 (H, W, 3).

    Raises:
        ValueError: The window does not belong to this image.
    """
    pixels = as_bgr(data.read(image)).copy()
    bank.paste(window, pixels)
    return pixels


def largest_window(bank: DefectBank) -> int:
    """Side in pixels of the largest square window that a bank may have."""
    sides = [side for window in bank for side in window.window[2:]]
    return int(bank.manifest.get('max_window') or max(sides, default=16))


def synthesized_windows(
    bank: DefectBank, hosts: Hosts, data: LabeledImages
) -> list[DefectWindow]:
    """Reads the composites of a bank, without ``null`` windows.

    Raises:
        ValueError: A window does not belong to its image.
    """
    limit = largest_window(bank)
    return [
        DefectWindow(
            crop(paste_on_host(bank, data, w, image), w.window).copy(),
            w.label,
            w.kind,
            image,
            relative(w.box, w.window),
            fits_whole(w.box, limit),
        )
        for w, image in hosts
        if w.kind != NULL
    ]


def real_windows(
    data: LabeledImages, max_window: int, seed: int = 0
) -> list[DefectWindow]:
    """Cuts one window for each labeled defect, as synthesis would.

    Images that detectors have labeled are left out: boxes there may be none.
    ``max_window`` is as in :func:`window_size`; ``seed`` that of sizes and
    places.
    """
    rng = np.random.RandomState(seed)
    windows = []
    for index, image in enumerate(data.images):
        if image.pseudo_labeled:
            continue
        for defect in image.defects:
            size = window_size(defect.box, max_window, rng)
            place = place_window(defect.box, image.size, size, rng)
            windows.append(
                DefectWindow(
                    crop(as_bgr(data.read(index)), place).copy(),
                    defect.label,
                    'real',
                    index,
                    relative(defect.box, place),
                    fits_whole(defect.box, max_window),
                )
            )
    return windows
