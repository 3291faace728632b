"""What a benchmark is to measure, as a plan file says it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..utils.errors import InputError, MissingFileError
from ..utils.paths import find_config

_NEEDED = ('arms', 'reference', 'shots', 'seeds', 'data_root', 'work_dir')
_OPTIONAL = dict(
    pool='annotations/train.json',
    score='annotations/test.json',
    shots_file='annotations/train_20.json',
    resamples=200,
)


@dataclass(frozen=True)
class Arm:
    """One way to train the detector.

    Attributes:
        name (str): Its name in the table.
        config (Path): An ordinary detector config.
        seeds (tuple[int, ...]): Seeds to measure.
        options (dict): Settings that replace those of the config.
        own_schedule (bool): Whether it may train longer than the
            reference; the table says so.
        own_labels (bool): Whether it may read more labels than those of
            the shots; the table says so.
        note (str): What the table says of it.
    """

    name: str
    config: Path
    seeds: tuple[int, ...]
    options: dict
    own_schedule: bool
    own_labels: bool
    note: str


@dataclass(frozen=True)
class Cell:
    """One run: an arm, a number of labelled images per class and a seed."""

    arm: Arm
    shots: int
    seed: int

    @property
    def name(self) -> str:
        """Names its folder."""
        return f'{self.arm.name}_{self.shots}_{self.seed}'


@dataclass(frozen=True)
class Plan:
    """A matrix of cells.

    Attributes:
        file (Path): The plan file.
        arms (tuple[Arm, ...]): In the order of the table.
        reference (str): The arm that others are compared with.
        shots (tuple[int, ...]): Labelled images per class.
        data_root (Path): Folder of the data set.
        pool (str): Annotations, below it, that shots are drawn from.
        score (str): Annotations that detectors are scored on.
        shots_file (str): The annotations that stand for the shots in the
            configs of the arms.
        work_dir (Path): Folder for runs.
        results (Path): Where finished cells are noted, a line each.
        resamples (int): Resamples of the bootstrap.
    """

    file: Path
    arms: tuple[Arm, ...]
    reference: str
    shots: tuple[int, ...]
    data_root: Path
    pool: str
    score: str
    shots_file: str
    work_dir: Path
    results: Path
    resamples: int

    def cells(self, only: Sequence[str] = ()) -> list[Cell]:
        """All cells, seed by seed, so that early ones can be compared.

        Args:
            only (Sequence[str]): Names of arms; empty for all. Defaults to
                ().

        Raises:
            ValueError: There is no arm of such a name.
        """
        self._check_arms(only)
        return list(self._cells(only or [arm.name for arm in self.arms]))

    def against(self, arm: str) -> 'Plan':
        """The same plan with another reference.

        Args:
            arm (str): Name of the arm that others are compared with.

        Raises:
            ValueError: There is no arm of such a name.
        """
        self._check_arms([arm])
        return replace(self, reference=arm)

    def _check_arms(self, names: Sequence[str]) -> None:
        known = [arm.name for arm in self.arms]
        unknown = sorted(set(names) - set(known))
        if unknown:
            msg = (
                f'{self.file} has no arm {", ".join(unknown)}; it has '
                f'{", ".join(known)}'
            )
            raise InputError(msg)

    def _cells(self, names: Sequence[str]) -> Iterator[Cell]:
        seeds = sorted({seed for arm in self.arms for seed in arm.seeds})
        for seed in seeds:
            for shots in self.shots:
                for arm in self.arms:
                    if arm.name in names and seed in arm.seeds:
                        yield Cell(arm, shots, seed)

    @property
    def score_file(self) -> Path:
        """The annotations that detectors are scored on."""
        return self.data_root / self.score


def read_plan(path: str | Path) -> Plan:
    """Reads a plan file.

    It is Python and says::

        arms = dict(
            plain='arms/plain.py',
            other=dict(config='arms/other.py', seeds=[0, 1], note='…'))
        reference = 'plain'
        shots = [20]           # labelled images per class
        seeds = [0, 1, 2]
        data_root = 'data/NEU-DET-benchmark'
        work_dir = 'work_dirs/benchmarks/neu_det'

    and perhaps ``pool``, ``score``, ``shots_file`` and ``resamples``, see
    :class:`Plan`; names that start with ``_`` are the file's own. Results
    stand beside it, as ``<name of the plan>.jsonl``.

    Args:
        path (str | Path): The file.

    Returns:
        Plan: What it says.

    Raises:
        FileNotFoundError: The file, or a config that it names, is missing.
        ValueError: It says something else than the above.
    """
    path = Path(path)
    if not path.is_file():
        msg = f'no plan at {path}; those of NEU-DET are in configs/benchmarks'
        raise MissingFileError(msg)
    said = Config.fromfile(path).to_dict()
    said = {k: v for k, v in said.items() if not k.startswith('_')}
    missing = [name for name in _NEEDED if name not in said]
    unknown = sorted(set(said) - {*_NEEDED, *_OPTIONAL})
    if missing or unknown:
        wrong = (
            f'says nothing of {", ".join(missing)}'
            if missing
            else f'has an unknown {", ".join(unknown)}'
        )
        msg = (
            f'{path} {wrong}; a plan has {", ".join(_NEEDED)} and perhaps '
            f'{", ".join(_OPTIONAL)}'
        )
        raise InputError(msg)
    said = {**_OPTIONAL, **said}
    arms = tuple(
        _read_arm(path, name, arm, said['seeds'])
        for name, arm in said['arms'].items()
    )
    if said['reference'] not in said['arms']:
        msg = (
            f'{path} compares with {said["reference"]!r}, which is none of '
            f'its arms {", ".join(said["arms"])}'
        )
        raise InputError(msg)
    return Plan(
        path,
        arms,
        said['reference'],
        _numbers(path, 'shots', said['shots'], 1),
        Path(said['data_root']),
        said['pool'],
        said['score'],
        said['shots_file'],
        Path(said['work_dir']),
        path.with_suffix('.jsonl'),
        said['resamples'],
    )


def _read_arm(path: Path, name: str, said: Any, seeds: Any) -> Arm:
    said = dict(config=said) if isinstance(said, str) else dict(said)
    allowed = {
        'config',
        'seeds',
        'options',
        'own_schedule',
        'own_labels',
        'note',
    }
    if 'config' not in said or set(said) - allowed:
        msg = (
            f'arm {name} of {path} must be a config or a dict with config '
            f'and perhaps {", ".join(sorted(allowed - {"config"}))}; got '
            f'{said}'
        )
        raise InputError(msg)
    return Arm(
        name,
        find_config(said['config'], path),
        _numbers(path, 'seeds', said.get('seeds', seeds), 0),
        dict(said.get('options', {})),
        bool(said.get('own_schedule', False)),
        bool(said.get('own_labels', False)),
        said.get('note', ''),
    )


def _numbers(path: Path, name: str, said: Any, lowest: int) -> tuple:
    numbers = tuple(said) if isinstance(said, (list, tuple)) else ()
    if not numbers or not all(
        isinstance(n, int) and n >= lowest for n in numbers
    ):
        msg = (
            f'{name} of {path} must be a list of whole numbers of at least '
            f'{lowest}, got {said!r}'
        )
        raise InputError(msg)
    return tuple(dict.fromkeys(numbers))
