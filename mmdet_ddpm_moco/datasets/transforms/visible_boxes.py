"""How much of the labeled boxes is still visible under pasted windows."""

import numpy as np

from ...bank.compositing import Box, crop, overlaps, relative
from ..window_geometry import outer_box


class VisibleBoxes:
    """Counts the pixels of labeled boxes that windows have painted over.

    Boxes are taken in whole pixels, rounded outwards, inside the image. The
    windows of one sample must not overlap.

    Args:
        corners (np.ndarray): (N, 4), x0, y0, x1, y1 in pixels.
        ignored (np.ndarray): bool (N, ), of those that may be hidden.
        shape (tuple[int, int]): ``(height, width)`` of the image.
        least (float): Share of each box that has to stay visible.
    """

    def __init__(
        self,
        corners: np.ndarray,
        ignored: np.ndarray,
        shape: tuple[int, int],
        least: float,
    ) -> None:
        self._boxes = [outer_box(c, shape[::-1]) for c in corners.tolist()]
        self._ignored = ignored
        # Pixels that may be hidden; rounding must not refuse the last one.
        self._room = [
            int((1 - least) * w * h + 1e-6) for *_, w, h in self._boxes
        ]

    def cover(self, painted: Box, own: int | None, alpha: np.ndarray) -> bool:
        """Covers boxes by a window, unless too little of one would be left.

        Args:
            painted (Box): The part of the image that is painted.
            own (int | None): Number of the box that the window replaces.
            alpha (np.ndarray): uint8 (h, w) of that part, not 0 where it is
                painted.

        Returns:
            bool: Whether it was covered; if not, nothing is counted.
        """
        covered = {}
        for number, box in enumerate(self._boxes):
            if number == own or self._ignored[number]:
                continue
            if overlaps(box, painted):
                part = crop(alpha, relative(box, painted))
                covered[number] = int(np.count_nonzero(part))
        if any(self._room[i] < count for i, count in covered.items()):
            return False
        for number, count in covered.items():
            self._room[number] -= count
        return True
