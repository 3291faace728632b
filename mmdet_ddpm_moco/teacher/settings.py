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
            teacher is shown. Leave out those the surface does not have.
        precision (float): Asked of the kept boxes of each class, out of
            fold, in (0, 1].
        low_precision (float): Boxes below it are background, in [0, 1).
        min_agreement (float): Mean IoU below which a box is ignored because
            its place is uncertain, in [0, 1].
        seed (int): Draws the folds.
    """

    folds: int = 3
    flips: tuple[str, ...] = FLIPS
    precision: float = 0.7
    low_precision: float = 0.2
    min_agreement: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.flips) - set(FLIPS))
        if unknown or not self.flips:
            msg = (
                f'flips must be some of {", ".join(FLIPS)}, got '
                f'{", ".join(self.flips) or "none"}'
            )
            raise InputError(msg)
        # Here, because some are read after the teachers are trained.
        low, high = self.low_precision, self.precision
        check_arguments(
            vars(self),
            folds=(self.folds >= 2, 'at least 2'),
            precision=(0 < high <= 1, 'in (0, 1]'),
            low_precision=(
                0 <= low < 1 and low <= high,
                'in [0, 1) and at most precision',
            ),
            min_agreement=(0 <= self.min_agreement <= 1, 'in [0, 1]'),
        )
