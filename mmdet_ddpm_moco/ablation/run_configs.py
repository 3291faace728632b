"""The configs of one run: its variant's, with drawn shots and seed.

They are written as files, so that a run can be trained, inspected and
repeated with ``tools/train.py`` like any other config.
"""

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.config_paths import map_strings, moved
from ..engine.inputs import ann_files
from ..engine.learning_from_scenes import learn_from_scenes
from ..engine.pipelines import config_dicts, type_name
from ..engine.teacher_config import teacher_config
from ..utils.checks import check_annotations
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from ..utils.image_files import image_files
from ..utils.paths import find_config
from ..utils.stable_json import stable_json
from .experiment import Experiment, Run, Variant
from .shots import shots_name

STAGES = ('generator', 'backbone', 'teacher')


@dataclass
class RunConfigs:
    """The configs of a run."""

    detector: Config  # its work_dir is the run's folder
    # Of STAGES, those that the detector's `stages` name.
    stages: dict[str, Config]
    # 16 hexadecimal digits of a hash of all that the result depends on:
    # settings, shots and test images.
    fingerprint: str


def run_configs(experiment: Experiment, run: Run) -> RunConfigs:
    """Builds the configs of a run; nothing is written yet.

    Where the variant, or one of its stages, names the experiment's
    ``shots_ann_file``, the shots drawn by the seed are named instead. All
    stages have the seed of the run.

    Raises:
        ValueError: The variant trains on something else than the shots, is
            tested on something else than the experiment's images, or has
            ``stages.admission``.
    """
    detector, stages = _load(run.variant)
    cfgs = [
        _with_shots(cfg, experiment, run)
        for cfg in (detector, *stages.values())
    ]
    detector, stages = cfgs[0], dict(zip(stages, cfgs[1:], strict=True))
    for name in ('bank', 'teacher'):
        if detector.get('stages', {}).get(name):
            detector.stages[name].seed = run.seed
    _check_data(experiment, run, detector)
    fingerprint = _fingerprint_of_run(experiment, run, detector, stages)
    if 'stages' in detector:
        if not detector.stages.get('root'):
            msg = (
                f'stages of variant {run.variant.name} have no root=<folder>, '
                'which the experiment would replace by one of each run'
            )
            raise InputError(msg)
        # Variants with one recipe share what their stages make.
        old = str(detector.stages.root)
        recipe = _fingerprint_of_stages(experiment, run, detector, stages)
        name = f'{run.shots}_{run.seed}_{recipe}'
        new = str(experiment.work_dir / 'stages' / name)
        detector = moved(detector, old, new)
        stages = {key: moved(cfg, old, new) for key, cfg in stages.items()}
    detector.work_dir = str(experiment.work_dir / 'runs' / run.trained)
    return RunConfigs(detector, stages, fingerprint)


def _load(variant: Variant) -> tuple[Config, dict[str, Config]]:
    """The configs of a variant and of its stages, as its files say."""
    detector = Config.fromfile(variant.config)
    # A copy: merging takes `_delete_` from what it merges.
    detector.merge_from_dict(copy.deepcopy(dict(variant.options)))
    recipes = detector.get('stages', {})
    if recipes.get('admission') is not None:
        msg = (
            f'variant {variant.name} has stages.admission, which may leave '
            'out what is to be measured; remove it'
        )
        raise InputError(msg)
    stages = {
        name: _stage_config(detector, name, recipes[name])
        for name in STAGES
        if recipes.get(name) is not None
    }
    for name in ('generator', 'backbone'):
        if name in stages:
            teacher = stages.get('teacher')
            learn_from_scenes(name, stages[name], detector, teacher)
    return detector, stages


def _with_shots(cfg: Config, experiment: Experiment, run: Run) -> Config:
    """A config with the seed of the run and the shots that it draws."""
    placeholder = experiment.shots_ann_file
    drawn = shots_name(experiment, run.shots, run.seed)

    def named(text: str) -> str:
        if not text.endswith(placeholder):
            return text
        return text.removesuffix(placeholder) + drawn

    if cfg.get('load_from'):
        cfg.load_from = cfg.load_from.format(shots=run.shots, seed=run.seed)
    cfg = map_strings(cfg, named)
    cfg.randomness = dict(cfg.get('randomness', {}), seed=run.seed)
    return cfg


def _shots_file(experiment: Experiment, run: Run) -> Path:
    drawn = shots_name(experiment, run.shots, run.seed)
    return experiment.data_root / drawn


def _check_data(experiment: Experiment, run: Run, detector: Config) -> None:
    """Checks that a detector is trained and tested on what is compared."""
    variant = run.variant
    trained = list(_label_files(detector.train_dataloader))
    shots = _shots_file(experiment, run)
    if trained != [shots] and not variant.own_labels:
        msg = (
            f'variant {variant.name} trains on {", ".join(map(str, trained))} '
            f'instead of {experiment.data_root / experiment.shots_ann_file}, '
            'which stands for the shots; only a variant with own_labels=True '
            'may'
        )
        raise InputError(msg)
    tested = [Path(f) for f in ann_files(detector.test_dataloader)]
    if tested != [experiment.test_set]:
        msg = (
            f'variant {variant.name} is tested on '
            f'{", ".join(map(str, tested))}, the experiment on '
            f'{experiment.test_set}'
        )
        raise InputError(msg)


def _fingerprint_of_run(
    experiment: Experiment,
    run: Run,
    detector: Config,
    stages: Mapping[str, Config],
) -> str:
    """Hash of all that the result of a run depends on."""
    settings = [_settings(cfg) for cfg in (detector, *stages.values())]
    if experiment.checkpoints > 1:
        settings.append(dict(checkpoints=experiment.checkpoints))
    if run.variant.tta_of:
        settings.append(dict(tta=True))
    trained = _label_files(detector.train_dataloader)
    unlabeled = _unlabeled_files(detector)
    return _fingerprint(
        settings, [*trained, experiment.test_set, experiment.pool, *unlabeled]
    )


def _fingerprint_of_stages(
    experiment: Experiment,
    run: Run,
    detector: Config,
    stages: Mapping[str, Config],
) -> str:
    """Hash of all that what its stages make depends on."""
    return _fingerprint(
        [
            *map(_settings, stages.values()),
            _settings(detector.stages, without=('root',)),
        ],
        [
            _shots_file(experiment, run),
            experiment.pool,
            *_unlabeled_files(detector),
        ],
    )


def _label_files(part: Any) -> Iterator[Path]:
    """Files that labels are read from, and not images alone."""
    for source in config_dicts(part):
        pipeline = source.get('pipeline', [])
        if not any(type_name(t) == 'LoadEmptyAnnotations' for t in pipeline):
            own = {k: source.get(k) for k in ('ann_file', 'data_root')}
            yield from map(Path, ann_files(own))


def _stage_config(detector: Config, name: str, recipe: Any) -> Config:
    own = name != 'teacher' or recipe.get('config')
    if own:
        path = find_config(recipe.config, detector.filename)
        cfg = Config.fromfile(path)
    else:
        cfg = copy.deepcopy(detector)
    cfg.merge_from_dict(dict(recipe.pop('options', {})))
    return teacher_config(cfg) if name == 'teacher' else cfg


def _unlabeled_files(detector: Config) -> list[Path]:
    """The json of the images that teachers label, or those of a folder."""
    teacher = detector.get('stages', {}).get('teacher')
    if not teacher:
        return []
    source = Path(teacher.unlabeled)
    return image_files(source) if source.is_dir() else [source]


def write_run(configs: RunConfigs) -> Path:
    """Writes the configs of a run into its folder; returns the detector's."""
    folder = Path(configs.detector.work_dir)
    for name, cfg in configs.stages.items():
        file = folder / f'{name}.py'
        atomic_write_bytes(file, cfg.pretty_text.encode())
        configs.detector.stages[name].config = str(file)
    file = folder / 'detector.py'
    atomic_write_bytes(file, configs.detector.pretty_text.encode())
    return file


def _settings(
    cfg: Any, without: Sequence[str] = ('work_dir', 'launcher')
) -> dict:
    content = cfg.to_dict() if hasattr(cfg, 'to_dict') else cfg
    return {k: v for k, v in content.items() if k not in without}


def _fingerprint(settings: list[dict], files: list[Path]) -> str:
    digest = hashlib.sha256(stable_json(settings).encode())
    for file in files:
        check_annotations(file)
        digest.update(file_digest(file))
    return digest.hexdigest()[:16]


def file_digest(file: Path) -> bytes:
    """SHA-256 of a file, read once for all runs while it is the same."""
    stat = file.stat()
    return _digest(file, stat.st_mtime_ns, stat.st_size)


@cache
def _digest(file: Path, mtime_ns: int, size: int) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()
