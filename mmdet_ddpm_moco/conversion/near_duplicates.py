"""Groups images that show the same piece of surface.

Surface images are often crops of one long strip, cut out in order: images
with neighboring numbers overlap, shifted against each other. Or one part was
photographed several times, in other light, and cut out of each photograph a
little differently. A split that separates such images tests a detector on what
it was trained on.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import cv2
import numpy as np

from ..utils.cli import progress_bar
from .candidates import Candidate, ReadImage
from .copies import copies, join_turned
from .groups import Groups
from .layout import natural_key
from .neighbors import cut_outs, shifted
from .overlap import FINE_SIDE, fine_correlation, thumbnail


def group_near_duplicates(
    images: Sequence[np.ndarray],
    sort_keys: Sequence[str],
    sizes: Sequence[tuple[int, int]] | None = None,
) -> list[int]:
    """Groups images that overlap, directly or through others.

    Compared are images whose keys are near each other, at all shifts that
    leave a fifth of the image in common, and all pairs for being copies of
    each other (recompressed, brighter, larger, rotated, mirrored). Overlaps of
    images of different sizes are only found at one scale, where a pixel of
    both is as large on the surface, and if their sizes are given.

    Args:
        images (Sequence[np.ndarray]): Gray images or their thumbnails (uint8,
            shape (H, W), any sizes). They are taken out one by one, several
            times: they may be read from a file then.
        sort_keys (Sequence[str]): Name of each image, or what says where it
            belongs. The natural order (``a_2`` before ``a_10``) says which
            are neighbors; images of one key are one group.
        sizes (Sequence[tuple[int, int]], optional): Width and height in
            pixels of each image, of which a thumbnail was made. Defaults to
            None: images of different shapes are not compared.

    Returns:
        list[int]: Group of each image: the index of its first member.
    """
    groups = Groups(len(images))
    order = sorted(
        range(len(images)), key=lambda index: natural_key(sort_keys[index])
    )

    def small(index: int) -> np.ndarray:
        return thumbnail(images[index])

    _join_identical(small, sort_keys, groups)
    join_turned(small, groups)
    _join_overlaps(shifted(small, order), small, groups)
    _join_overlaps(copies(small, len(images)), small, groups)
    if sizes is not None and len(set(sizes)) > 1:
        scale = min(1.0, FINE_SIDE / max(map(max, sizes)))

        def scaled(index: int) -> np.ndarray:
            return cv2.resize(
                small(index),
                [max(1, round(side * scale)) for side in sizes[index]],
                interpolation=cv2.INTER_AREA,
            )

        _join_overlaps(cut_outs(scaled, sizes, order), scaled, groups, 1.0)
    return groups.tolist()


def _join_identical(
    read: ReadImage, sort_keys: Sequence[str], groups: Groups
) -> None:
    """Joins images of the same pixels or the same key."""
    seen: dict[object, int] = {}
    for index in progress_bar(range(len(groups)), 'comparing pixels'):
        image = read(index)
        pixels = blake2b(image.tobytes(), digest_size=16).digest()
        for key in ((image.shape, pixels), sort_keys[index]):
            groups.join(index, seen.setdefault(key, index))


def _join_overlaps(
    candidates: Iterable[Candidate],
    read: ReadImage,
    groups: Groups,
    scale: float | None = None,
) -> None:
    """Joins candidates that overlap; ``scale`` as in ``fine_correlation``."""
    for pair in candidates:
        first, second = pair.first, pair.second
        # Most are not looked at: they are in one group by a likelier one.
        if not groups.together(first, second):
            found = fine_correlation(
                read(first), read(second), pair.shift, scale
            )
            if found > pair.needed:
                groups.join(first, second)
