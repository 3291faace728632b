"""What became of each weight when a backbone was taken from a file."""

from collections.abc import Iterable
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BackboneReport:
    """The outcome of ``map_backbone_keys``, in the backbone's own names.

    Attributes:
        prefix (str): What stood before the backbone's names in the file.
        loaded (tuple[str, ...]): Names that the file has, in their shape.
        missing (tuple[str, ...]): Names of the backbone (integer entries
            left out) that the file lacks.
        unexpected (tuple[str, ...]): Names under ``prefix`` that the
            backbone lacks, such as a classifier's.
        wrong_shape (dict[str, tuple[Shape, Shape]]): Shape in the file and
            shape in the backbone, of names that both have.
        surplus (tuple[str, ...]): Those of ``unexpected`` that belong to a
            part the backbone does have: blocks of a deeper network.
        coverage (float): Elements loaded over elements of the backbone, in
            [0, 1]. Parameters and running statistics count.
        surplus_share (float): Surplus elements over surplus and loaded
            ones, in [0, 1]: how much of the file's network is left behind.
    """

    prefix: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_shape: dict[str, tuple[Shape, Shape]]
    surplus: tuple[str, ...]
    coverage: float
    surplus_share: float

    def fits(self, min_coverage: float) -> bool:
        """Whether file and backbone are the same network.

        Args:
            min_coverage (float): Lowest share, in (0, 1], of the backbone
                that the file must fill, and of the file's network that the
                backbone must take: ResNet-34 holds all of ResNet-18.

        Returns:
            bool: True if both shares reach it.
        """
        return min(self.coverage, 1 - self.surplus_share) >= min_coverage

    def likely_cause(self) -> str:
        """Guesses why a file does not fit.

        Returns:
            str: A clause for an error message.
        """
        matches = len(self.loaded) + len(self.wrong_shape)
        if 10 * matches < matches + len(self.missing):
            return (
                'hardly a name matches: another architecture or an unknown '
                f'naming; the file has {_some(self.unexpected, 2)}, the '
                f'backbone {_some(self.missing, 2)}'
            )
        if self.wrong_shape:
            key, (found, wanted) = next(iter(self.wrong_shape.items()))
            return (
                f'{len(self.wrong_shape)} weights have another shape, such '
                f'as {key}, {_times(found)} in the file and '
                f'{_times(wanted)} in the backbone: another depth, width or '
                'kind of block'
            )
        if self.surplus:
            return (
                f'{self.surplus_share:.0%} of the network in the file has '
                f'no place ({_some(self.surplus)}): it is a deeper one'
            )
        return (
            f'the file lacks {len(self.missing)} weights '
            f'({_some(self.missing)}): a shallower network or a part of one'
        )

    def __str__(self) -> str:
        return (
            f'prefix {self.prefix!r}, '
            f'loaded {len(self.loaded)}, '
            f'missing {_counted(self.missing)}, '
            f'unexpected {_counted(self.unexpected)}, '
            f'wrong shape {_counted(self.wrong_shape)}, '
            f'coverage {100 * self.coverage:.2f} %'
        )


def _counted(keys: Iterable[str]) -> str:
    keys = list(keys)
    return f'{len(keys)} ({_some(keys)})' if keys else '0'


def _some(keys: Iterable[str], limit: int = 3) -> str:
    keys = list(keys)
    more = ', ...' if len(keys) > limit else ''
    return ', '.join(keys[:limit]) + more


def _times(shape: Shape) -> str:
    return 'x'.join(map(str, shape)) or 'scalar'
