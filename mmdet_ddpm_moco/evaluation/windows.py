"""Synthesized windows and real ones, cut in the same way.

A comparison says something about the generator only where both sides differ
in nothing else: sizes and places of real windows are drawn by the functions
that planned the bank.
"""

from dataclasses import dataclass

import numpy as np

from ..bank.compositing import Box, as_bgr, crop, relative
from ..bank.format import NULL, BankWindow
from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from ..datasets.window_geometry import fits_whole, place_window, window_size
from ..utils.errors import InputError

REAL = 'real'


@dataclass(frozen=True)
class DefectWindow:
    """A picture of one defect with some ground around it.

    Attributes:
        pixels (np.ndarray): BGR uint8 (h, w, 3).
        label (int): Index of its class.
        kind (str): ``'real'``, ``'add'`` or ``'replaces'``.
        image (int): Index of its image in ``LabeledImages.images``.
        box (tuple): ``(x, y, w, h)`` of the defect in the window.
        whole (bool): Whether a window of the largest size holds the defect
            with its rim, as it must to be added.
    """

    pixels: np.ndarray
    label: int
    kind: str
    image: int
    box: Box
    whole: bool


def find_hosts(
    bank: DefectBank, data: LabeledImages
) -> list[tuple[BankWindow, int]]:
    """Finds the image that each window of a bank was synthesized on.

    Args:
        bank (DefectBank): The bank.
        data (LabeledImages): The images it was made from.

    Returns:
        list[tuple[BankWindow, int]]: Windows in the order of the bank, each
        with the index of its host in ``data.images``.

    Raises:
        ValueError: The bank knows other classes or other images, or its
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
    places = {image.file_name: i for i, image in enumerate(data.images)}
    foreign = sorted(set(bank.sources.values()) - set(places))
    if foreign:
        msg = (
            f'the defect bank {bank.root} was made on {foreign[0]}, which is '
            'not among the training images; give the config of the generator '
            'that made it'
        )
        raise InputError(msg)
    return [(w, places[bank.sources[w.number]]) for w in bank]


def paste(
    bank: DefectBank, window: BankWindow, host: np.ndarray
) -> np.ndarray:
    """A copy of the host with a window pasted, see :meth:`DefectBank.paste`.

    Args:
        bank (DefectBank): The window's bank.
        window (BankWindow): The window.
        host (np.ndarray): BGR uint8 (H, W, 3); stays as it is.

    Raises:
        ValueError: The window does not belong to this image.
    """
    image = host.copy()
    bank.paste(window, image)
    return image


def largest_window(bank: DefectBank) -> int:
    """Side in pixels of the largest square window that a bank may have."""
    sides = [side for i in range(len(bank)) for side in bank[i].window[2:]]
    return int(bank.manifest.get('max_window') or max(sides, default=16))


def synthesised_windows(
    bank: DefectBank,
    hosts: list[tuple[BankWindow, int]],
    data: LabeledImages,
) -> list[DefectWindow]:
    """Reads the windows of a bank that show a defect.

    Args:
        bank (DefectBank): The bank.
        hosts (list): From :func:`find_hosts`, or some of them.
        data (LabeledImages): The images it was made from.

    Returns:
        list[DefectWindow]: Finished pictures, ``null`` windows left out.

    Raises:
        ValueError: A window does not belong to its image.
    """
    limit = largest_window(bank)
    return [
        DefectWindow(
            crop(
                paste(bank, window, as_bgr(data.read(image))), window.window
            ).copy(),
            window.label,
            window.kind,
            image,
            relative(window.box, window.window),
            fits_whole(window.box, limit),
        )
        for window, image in hosts
        if window.kind != NULL
    ]


def real_windows(
    data: LabeledImages, max_window: int, seed: int = 0
) -> list[DefectWindow]:
    """Cuts one window for each labeled defect, as synthesis would.

    Args:
        data (LabeledImages): Labeled images.
        max_window (int): Side in pixels of the largest square window.
        seed (int): Seed of sizes and places, >= 0. Defaults to 0.

    Returns:
        list[DefectWindow]: In the order of the annotations.
    """
    rng = np.random.RandomState(seed)
    windows = []
    for index, image in enumerate(data.images):
        for defect in image.defects:
            place = place_window(
                defect.box,
                image.size,
                window_size(defect.box, max_window, rng),
                rng,
            )
            windows.append(
                DefectWindow(
                    crop(as_bgr(data.read(index)), place).copy(),
                    defect.label,
                    REAL,
                    index,
                    relative(defect.box, place),
                    fits_whole(defect.box, max_window),
                )
            )
    return windows
