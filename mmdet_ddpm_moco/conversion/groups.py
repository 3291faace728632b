"""Groups of images that belong together."""

import numpy as np


class Groups:
    """Disjoint groups of numbers; a group is called by its smallest one.

    Not scipy's: the conversion starts fast, without heavy libraries.
    """

    def __init__(self, size: int) -> None:
        self._group = np.arange(size)

    def __len__(self) -> int:
        return len(self._group)

    def together(self, first: int, second: int) -> bool:
        return bool(self._group[first] == self._group[second])

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self._group[first], self._group[second]))
        if low != high:
            self._group[self._group == high] = low

    def join_all(self, first: int, others: np.ndarray) -> None:
        """Joins the groups of many with that of one."""
        for group in np.unique(self._group[others]):
            self.join(first, group)

    def tolist(self) -> list[int]:
        """Group of each."""
        found: list[int] = self._group.tolist()
        return found
