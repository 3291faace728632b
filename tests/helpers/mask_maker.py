"""Makes small data sets with pixel masks for the tests."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from helpers.voc_maker import surface, write_image

Rectangle = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


def mask_of(
    *rectangles: Rectangle, size: tuple[int, int] = (40, 40)
) -> np.ndarray:
    """A mask (uint8, black and white) of (width, height)."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    for left, top, width, height in rectangles:
        mask[top : top + height, left : left + width] = 255
    return mask


def png(mask: np.ndarray) -> bytes:
    done, data = cv2.imencode('.png', mask)
    assert done
    return data.tobytes()


def write_mask(path: Path, *rectangles: Rectangle, **kwargs) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(mask_of(*rectangles, **kwargs)))


def write_pair(
    folder: Path, stem: str, *rectangles: Rectangle, seed: int
) -> None:
    """An image as JPEG and its mask as PNG, side by side."""
    write_image(folder / f'{stem}.jpg', seed)
    write_mask(folder / f'{stem}.png', *rectangles)


def tile_dataset(root: Path, count: int = 10) -> Path:
    """The layout of the magnetic tiles, nothing odd.

    ``count`` images of cracks, with a crack each, of frays, with two frays
    each, and defect-free ones, all different.
    """
    seed = 0
    for kind, rectangles in (
        ('MT_Crack', [(3, 5, 20, 10)]),
        ('MT_Fray', [(3, 5, 20, 10), (30, 20, 4, 9)]),
        ('MT_Free', []),
    ):
        for _ in range(count):
            seed += 1
            stem = f'exp1_num_{seed}'
            write_pair(root / kind / 'Imgs', stem, *rectangles, seed=seed)
    return root


def exposures(
    root: Path, tiles: Sequence[int], light: Sequence[float]
) -> Path:
    """Cracked tiles of those seeds, each in several exposures.

    As magnetic tiles are: cut out a little differently each time, with near
    numbers and names that begin with the number of the exposure.
    """
    folder = root / 'Crack' / 'Imgs'
    folder.mkdir(parents=True)
    for tile in tiles:
        whole = surface(110, 150, seed=tile).astype(np.float64)
        for place, factor in enumerate(light, start=1):
            image = (factor * whole).astype(np.uint8)[
                place:, : 150 - 2 * place
            ]
            stem = f'exp{place}_num_{100 * tile + 10 * place}'
            assert cv2.imwrite(str(folder / f'{stem}.jpg'), image)
            size = image.shape[1], image.shape[0]
            write_mask(folder / f'{stem}.png', (3, 5, 20, 10), size=size)
    return root
