"""Experiments: which detectors to train on which labeled images."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..utils.errors import InputError, MissingFileError
from ..utils.paths import find_config

# In place of a number of shots: all images of the pool are labeled.
ALL = 'all'


@dataclass(frozen=True)
class Variant:
    """One way to train the detector."""

    name: str  # in the table
    config: Path  # an ordinary detector config
    seeds: tuple[int, ...]  # to measure
    # Settings that replace those of the config. `{shots}` and `{seed}` in
    # `load_from` are filled in.
    options: dict = field(default_factory=dict)
    # Whether it may train longer than the reference; the table marks it.
    own_schedule: bool = False
    # Whether it may read more labels than the shots'; the table marks it.
    own_labels: bool = False
    # Whether it is another way to train, as mmdet's semi-supervised detectors
    # are: only optimizer, batch size and what is tested are compared with the
    # reference. The table marks it.
    own_method: bool = False
    # Another variant, whose detectors are tested once more with test-time
    # augmentation (`tools/test.py --tta`); all else is that variant's.
    tta_of: str = ''
    note: str = ''  # a remark below the table


@dataclass(frozen=True)
class Run:
    """A variant, a number of labeled images per class and a seed."""

    variant: Variant
    shots: int | str  # a number, or ALL
    seed: int

    @property
    def name(self) -> str:
        """Name of its record."""
        return f'{self.variant.name}_{self.shots}_{self.seed}'

    @property
    def trained(self) -> str:
        """Name of its folder, and of the run whose detector is tested."""
        trained = self.variant.tta_of or self.variant.name
        return f'{trained}_{self.shots}_{self.seed}'


@dataclass(frozen=True)
class MoreShots:
    """Some of the variants on other numbers of labeled images."""

    shots: tuple[int | str, ...]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Experiment:
    """Variants x labeled images per class x seeds.

    Annotations are below ``data_root``.
    """

    file: Path  # the experiment file
    variants: tuple[Variant, ...]  # in the order of the table
    reference: str  # the variant that others are compared with
    shots: tuple[int | str, ...]  # labeled images per class, or ALL
    data_root: Path  # folder of the data set
    work_dir: Path  # folder for runs
    # Annotations that shots are drawn from.
    pool_ann_file: str = 'annotations/train.json'
    # Annotations that detectors are scored on.
    test_ann_file: str = 'annotations/test.json'
    # Placeholder for the drawn shots in the configs of the variants.
    shots_ann_file: str = 'annotations/train_20.json'
    resamples: int = 200  # of the bootstrap
    # How many of a run's last checkpoints are scored. Scores are their mean,
    # which depends less on where the training stopped.
    checkpoints: int = 1
    # Further runs, with other numbers of labeled images.
    more_shots: tuple[MoreShots, ...] = ()

    @property
    def results(self) -> Path:
        """Records of finished runs, one json line each."""
        return self.file.parent / 'results' / f'{self.file.stem}.jsonl'

    @property
    def pool(self) -> Path:
        """The annotations that shots are drawn from."""
        return self.data_root / self.pool_ann_file

    @property
    def test_set(self) -> Path:
        """The annotations that detectors are scored on."""
        return self.data_root / self.test_ann_file

    def runs(self, only: Sequence[str] = ()) -> list[Run]:
        """All runs, seed by seed, so that early ones can be compared.

        ``only`` are names of variants; without any all are taken.

        Raises:
            ValueError: There is no variant of such a name.
        """
        self._check_variants(only)
        runs = [
            Run(variant, shots, seed)
            for variant in self.variants
            for shots in self.shots
            for seed in variant.seeds
        ]
        runs += [
            Run(variant, shots, seed)
            for more in self.more_shots
            for variant in self.variants
            if variant.name in more.variants
            for shots in more.shots
            for seed in more.seeds
        ]
        order = self.all_shots()
        # The sort is stable: variants keep their order.
        runs.sort(key=lambda run: (run.seed, order.index(run.shots)))
        return [run for run in runs if not only or run.variant.name in only]

    def all_shots(self) -> tuple[int | str, ...]:
        """Numbers of labeled images per class of all runs, ascending."""
        more = (more.shots for more in self.more_shots)
        return tuple(
            sorted(
                {*self.shots, *itertools.chain(*more)},
                key=lambda shots: math.inf if shots == ALL else shots,
            )
        )

    def against(self, variant: str) -> 'Experiment':
        """The same experiment with another variant as the reference.

        Raises:
            ValueError: There is no variant of such a name.
        """
        self._check_variants([variant])
        return dataclasses.replace(self, reference=variant)

    def _check_variants(self, names: Sequence[str]) -> None:
        known = [variant.name for variant in self.variants]
        unknown = sorted(set(names) - set(known))
        if unknown:
            msg = (
                f'{self.file} has no variant {", ".join(unknown)}; it has '
                f'{", ".join(known)}'
            )
            raise InputError(msg)


_NEEDED = ('variants', 'reference', 'shots', 'seeds', 'data_root', 'work_dir')
_OPTIONAL = (
    'pool_ann_file',
    'test_ann_file',
    'shots_ann_file',
    'resamples',
    'checkpoints',
    'more_shots',
)


def read_experiment(path: str | Path) -> Experiment:
    """Reads an experiment file, Python as in the example.

    Names that start with ``_`` are private to the file.

    Raises:
        FileNotFoundError: The file, or a config that it names, is missing.
        ValueError: A field is missing, unknown or of the wrong type.

    Examples:
        ::

            variants = dict(
                baseline='variants/baseline.py',
                other=dict(config='variants/other.py', seeds=[0, 1]),
            )
            reference = 'baseline'
            shots = [20]  # labeled images per class; 'all': the whole pool
            seeds = [0, 1, 2]
            data_root = 'data/NEU-DET-benchmark'
            work_dir = 'work_dirs/benchmarks/neu_det'
            # Optional: pool_ann_file, test_ann_file, shots_ann_file,
            # resamples, checkpoints, see Experiment; fields of a variant,
            # see Variant; and further runs:
            more_shots = [
                dict(shots=[10, 60], variants=['baseline'], seeds=[0])
            ]
    """
    path = Path(path)
    if not path.is_file():
        msg = (
            f'no experiment at {path}; those of NEU-DET are in '
            'benchmarks/neu_det'
        )
        raise MissingFileError(msg)
    given = Config.fromfile(path).to_dict()
    given = {k: v for k, v in given.items() if not k.startswith('_')}
    missing = [name for name in _NEEDED if name not in given]
    unknown = sorted(set(given) - {*_NEEDED, *_OPTIONAL})
    if missing or unknown:
        wrong = (
            f'lacks {", ".join(missing)}'
            if missing
            else f'has an unknown {", ".join(unknown)}'
        )
        msg = (
            f'{path} {wrong}; an experiment needs {", ".join(_NEEDED)} and '
            f'may have {", ".join(_OPTIONAL)}'
        )
        raise InputError(msg)
    variants = tuple(
        _read_variant(path, name, given['variants'], given['seeds'])
        for name in given['variants']
    )
    more = given.get('more_shots', [])
    given['more_shots'] = tuple(
        _read_more_shots(path, item, given['variants']) for item in more
    )
    reference = given['reference']
    if reference not in given['variants']:
        msg = (
            f'{path} compares with {reference!r}, which is none of its '
            f'variants {", ".join(given["variants"])}'
        )
        raise InputError(msg)
    for name in {'resamples', 'checkpoints'} & given.keys():
        (given[name],) = _integers(path, name, [given[name]], 1)
    return Experiment(
        path,
        variants,
        reference,
        _read_shots(path, given['shots']),
        Path(given['data_root']),
        Path(given['work_dir']),
        **{name: given[name] for name in _OPTIONAL if name in given},
    )


def _read_variant(
    path: Path, name: str, variants: dict, seeds: Any
) -> Variant:
    given = _as_dict(variants[name])
    if trained := given.get('tta_of'):
        other = _as_dict(variants.get(trained, {}))
        if 'config' not in other:
            msg = (
                f'variant {name} of {path} has tta_of={trained!r}, which is '
                'no variant that is trained'
            )
            raise InputError(msg)
        given = {**other, 'note': '', **given}
    allowed = {f.name for f in dataclasses.fields(Variant)} - {'name'}
    if 'config' not in given or set(given) - allowed:
        msg = (
            f'variant {name} of {path} must be a config or a dict with config '
            f'and optionally {", ".join(sorted(allowed - {"config"}))}; got '
            f'{given}'
        )
        raise InputError(msg)
    given['config'] = find_config(given['config'], path)
    given['seeds'] = _integers(path, 'seeds', given.get('seeds', seeds), 0)
    return Variant(name, **given)


def _as_dict(variant: Any) -> dict:
    return dict(config=variant) if isinstance(variant, str) else dict(variant)


def _read_more_shots(path: Path, given: Any, variants: dict) -> MoreShots:
    fields = {f.name for f in dataclasses.fields(MoreShots)}
    if not isinstance(given, dict) or given.keys() != fields:
        msg = (
            f'each of more_shots of {path} must be a dict with '
            f'{", ".join(sorted(fields))}; got {given}'
        )
        raise InputError(msg)
    unknown = sorted(set(given['variants']) - set(variants))
    if unknown:
        msg = (
            f'more_shots of {path} names {", ".join(unknown)}, which is none '
            f'of its variants {", ".join(variants)}'
        )
        raise InputError(msg)
    return MoreShots(
        _read_shots(path, given['shots']),
        tuple(given['variants']),
        _integers(path, 'seeds', given['seeds'], 0),
    )


def _read_shots(path: Path, given: Any) -> tuple:
    if given == [ALL]:
        return (ALL,)
    return _integers(path, 'shots', given, 1)


def _integers(path: Path, name: str, given: Any, lowest: int) -> tuple:
    values = tuple(given) if isinstance(given, (list, tuple)) else ()
    if not values or not all(
        isinstance(n, int) and n >= lowest for n in values
    ):
        msg = (
            f'{name} of {path} must be a list of integers of at least '
            f'{lowest}, got {given!r}'
        )
        raise InputError(msg)
    return tuple(dict.fromkeys(values))
