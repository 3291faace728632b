"""Windows of labelled images that show no defect."""

from collections.abc import Callable, Iterator

import numpy as np

from .compositing import Box
from .defect_geometry import free_place
from .labelled_images import LabelledImage, LabelledImages

# Sizes tried before an image is taken to have no room.
_SIZES = 10


def background_windows(
    labelled: LabelledImages,
    window_of: Callable[[Box, LabelledImage], Box],
    number: int,
) -> Iterator[tuple[int, Box]]:
    """Finds windows on ground that is clear of every labelled box.

    They are as large as those around defects, so that size does not tell
    the two apart. The same images give the same windows.

    Args:
        labelled (LabelledImages): The images.
        window_of (Callable): Window around a box ``(x, y, w, h)`` in an
            image; its size is what counts.
        number (int): Windows of each image, >= 0; fewer where there is no
            room.

    Yields:
        tuple[int, tuple]: Index of the image and ``(x, y, w, h)`` in pixels.
    """
    rng = np.random.RandomState(0)
    boxes = [d.box for image in labelled.images for d in image.defects]
    for index, image in enumerate(labelled.images):
        found = 0
        for _ in range(_SIZES * number):
            if found == number or not boxes:
                break
            w, h = boxes[rng.randint(len(boxes))][2:]
            # The box of another image may be larger than this one.
            w, h = min(w, image.size[0]), min(h, image.size[1])
            size = window_of((0, 0, w, h), image)[2:]
            place = free_place(size, image.size, image.taken, rng)
            if place is not None:
                found += 1
                yield index, place
