"""Sets of windows that may be compared with each other.

All figures for distributions depend on how many windows there are, and on
the mix of classes. So the figure for bank against real and the one for real
against real are taken on sets of one size and one mix, against one
reference, several times over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SPLITS = 5


@dataclass(frozen=True)
class EqualSets:
    """Indices of three sets with as many windows of each class.

    Attributes:
        bank (np.ndarray): int (n, ), into the synthesized windows.
        real (np.ndarray): int (n, ), into the real windows: one half.
        reference (np.ndarray): int (n, ), likewise: of the other half.
        labels (np.ndarray): int (n, ), the class of each, in all three.
    """

    bank: np.ndarray
    real: np.ndarray
    reference: np.ndarray
    labels: np.ndarray

    def of_class(self, label: int) -> 'EqualSets':
        """The part that is of one class."""
        chosen = self.labels == label
        return EqualSets(
            self.bank[chosen],
            self.real[chosen],
            self.reference[chosen],
            self.labels[chosen],
        )

    def __len__(self) -> int:
        return len(self.labels)


def draw_equal_sets(
    bank_labels: Sequence[int],
    real_labels: Sequence[int],
    real_images: Sequence[int],
    seed: int,
) -> EqualSets:
    """Halves the real images at random and draws equal sets.

    Args:
        bank_labels (Sequence[int]): Class of each synthesized window.
        real_labels (Sequence[int]): Class of each real window.
        real_images (Sequence[int]): Image of each real window; those of one
            image stay in one half.
        seed (int): Seed, >= 0.

    Returns:
        EqualSets: Of each class as many windows as the smallest of the
        three sets has of it.
    """
    rng = np.random.RandomState(seed)
    bank_labels, real_labels = np.array(bank_labels), np.array(real_labels)
    images = rng.permutation(np.unique(real_images))
    in_first = np.isin(real_images, images[: len(images) // 2])
    sets: list[list[np.ndarray]] = [[], [], []]
    labels = []
    for label in np.unique(bank_labels):
        pools = [
            np.flatnonzero(bank_labels == label),
            np.flatnonzero(in_first & (real_labels == label)),
            np.flatnonzero(~in_first & (real_labels == label)),
        ]
        n = min(map(len, pools))
        for chosen, pool in zip(sets, pools):
            chosen.append(rng.choice(pool, n, replace=False))
        labels.append(np.full(n, label))
    none = [np.zeros(0, int)]
    return EqualSets(*(np.concatenate(none + s) for s in (*sets, labels)))
