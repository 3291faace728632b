"""What a benchmark is to measure, as an experiment file says it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..utils.errors import InputError, MissingFileError
from ..utils.paths import find_config

_NEEDED = ('variants', 'reference', 'shots', 'seeds', 'data_root', 'work_dir')
_OPTIONAL = dict(
    pool='annotations/train.json',
    score='annotations/test.json',
    shots_file='annotations/train_20.json',
    resamples=200,
)


@dataclass(frozen=True)
class Variant:
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
class Run:
    """One run: a variant, a number of labeled images per class and a seed."""

    variant: Variant
    shots: int
    seed: int

    @property
    def name(self) -> str:
        """Names its folder."""
        return f'{self.variant.name}_{self.shots}_{self.seed}'


@dataclass(frozen=True)
class Experiment:
    """A matrix of runs.

    Attributes:
        file (Path): The experiment file.
        variants (tuple[Variant, ...]): In the order of the table.
        reference (str): The variant that others are compared with.
        shots (tuple[int, ...]): Labeled images per class.
        data_root (Path): Folder of the data set.
        pool (str): Annotations, below it, that shots are drawn from.
        score (str): Annotations that detectors are scored on.
        shots_file (str): The annotations that stand for the shots in the
            configs of the variants.
        work_dir (Path): Folder for runs.
        results (Path): Where finished runs are noted, a line each.
        resamples (int): Resamples of the bootstrap.
    """

    file: Path
    variants: tuple[Variant, ...]
    reference: str
    shots: tuple[int, ...]
    data_root: Path
    pool: str
    score: str
    shots_file: str
    work_dir: Path
    results: Path
    resamples: int

    def runs(self, only: Sequence[str] = ()) -> list[Run]:
        """All runs, seed by seed, so that early ones can be compared.

        Args:
            only (Sequence[str]): Names of variants; empty for all. Defaults to
                ().

        Raises:
            ValueError: There is no variant of such a name.
        """
        self._check_variants(only)
        return list(
            self._runs(only or [variant.name for variant in self.variants])
        )

    def against(self, variant: str) -> 'Experiment':
        """The same experiment with another reference.

        Args:
            variant (str): Name of the variant that others are compared with.

        Raises:
            ValueError: There is no variant of such a name.
        """
        self._check_variants([variant])
        return replace(self, reference=variant)

    def _check_variants(self, names: Sequence[str]) -> None:
        known = [variant.name for variant in self.variants]
        unknown = sorted(set(names) - set(known))
        if unknown:
            msg = (
                f'{self.file} has no variant {", ".join(unknown)}; it has '
                f'{", ".join(known)}'
            )
            raise InputError(msg)

    def _runs(self, names: Sequence[str]) -> Iterator[Run]:
        seeds = sorted(
            {seed for variant in self.variants for seed in variant.seeds}
        )
        for seed in seeds:
            for shots in self.shots:
                for variant in self.variants:
                    if variant.name in names and seed in variant.seeds:
                        yield Run(variant, shots, seed)

    @property
    def score_file(self) -> Path:
        """The annotations that detectors are scored on."""
        return self.data_root / self.score


def read_experiment(path: str | Path) -> Experiment:
    """Reads an experiment file.

    It is Python and says::

        variants = dict(
            plain='variants/plain.py',
            other=dict(config='variants/other.py', seeds=[0, 1], note='…'))
        reference = 'plain'
        shots = [20]           # labeled images per class
        seeds = [0, 1, 2]
        data_root = 'data/NEU-DET-benchmark'
        work_dir = 'work_dirs/benchmarks/neu_det'

    and perhaps ``pool``, ``score``, ``shots_file`` and ``resamples``, see
    :class:`Experiment`; names that start with ``_`` are the file's own. Results
    stand beside it, as ``<name of the experiment>.jsonl``.

    Args:
        path (str | Path): The file.

    Returns:
        Experiment: What it says.

    Raises:
        FileNotFoundError: The file, or a config that it names, is missing.
        ValueError: It says something else than the above.
    """
    path = Path(path)
    if not path.is_file():
        msg = f'no experiment at {path}; those of NEU-DET are in benchmarks/neu_det'
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
            f'{path} {wrong}; an experiment has {", ".join(_NEEDED)} and perhaps '
            f'{", ".join(_OPTIONAL)}'
        )
        raise InputError(msg)
    said = {**_OPTIONAL, **said}
    variants = tuple(
        _read_variant(path, name, variant, said['seeds'])
        for name, variant in said['variants'].items()
    )
    if said['reference'] not in said['variants']:
        msg = (
            f'{path} compares with {said["reference"]!r}, which is none of '
            f'its variants {", ".join(said["variants"])}'
        )
        raise InputError(msg)
    return Experiment(
        path,
        variants,
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


def _read_variant(path: Path, name: str, said: Any, seeds: Any) -> Variant:
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
            f'variant {name} of {path} must be a config or a dict with config '
            f'and perhaps {", ".join(sorted(allowed - {"config"}))}; got '
            f'{said}'
        )
        raise InputError(msg)
    return Variant(
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
