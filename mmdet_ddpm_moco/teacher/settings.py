"""Options of pseudo-labels.

Importing this needs neither torch nor ensemble-boxes: so the command line
starts fast, and a detector whose scenes are finished needs neither.
"""

from dataclasses import dataclass

from ..utils.checks import check_arguments
from ..utils.errors import InputError

FLIPS = ('none', 'horizontal', 'vertical', 'diagonal')


@dataclass(frozen=True)
class TeacherOptions:
    """How pseudo-labels are made.

    Attributes:
        folds (int): Teachers, each trained without one fold, at least 2.
        flips (tuple[str, ...]): Of ``FLIPS``; views of each image that a
            teacher is shown. Tools and stages take those of its training
            where none are given: others would be new to it.
        seed (int): Draws the folds.
    """

    folds: int = 3
    flips: tuple[str, ...] = FLIPS
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.flips) - set(FLIPS))
        if unknown or not self.flips:
            msg = (
                f'flips must be some of {", ".join(FLIPS)}, got '
                f'{", ".join(self.flips) or "none"}'
            )
            raise InputError(msg)
        check_arguments(vars(self), folds=(self.folds >= 2, 'at least 2'))
