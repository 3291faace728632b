"""Pairs of images that may overlap, to be looked at closely."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Candidates to verify per image. More change nothing where images do overlap,
# since the others follow through the group; they would take long where all
# images have something in common, such as a frame.
PER_IMAGE = 10

# Pairs that overlap correlate by 0.6 to 1, or by 0.3 and more if the place was
# photographed twice; other pairs by less than 0.3. The lower bound is for
# pairs of clear strength.
MIN_CORRELATION = 0.3
CLEAR_CORRELATION = 0.6

# Gray image (uint8) of an index.
ReadImage = Callable[[int], np.ndarray]


class Candidate(NamedTuple):
    """Two images that may overlap; the likelier, the smaller."""

    doubt: float
    first: int
    second: int
    shift: tuple[int, int]
    # Correlation that confirms it.
    needed: float
