"""The configs of one run: a variant's own, with drawn shots and seed.

They are written as files, so that a run can be trained, looked at and
repeated with ``tools/train.py`` like anything else.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.inputs import ann_files
from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import atomic_write_bytes
from ..utils.paths import find_config
from .experiment import Experiment, Run
from .shots import shots_name

STAGES = ('generator', 'backbone')


@dataclass
class RunConfigs:
    """What a run runs.

    Attributes:
        detector (Config): Its ``work_dir`` is the run's folder.
        stages (dict[str, Config]): Of ``generator`` and ``backbone``, those
            that its recipe names.
        fingerprint (str): Of all that its result depends on: settings, shots
            and test images; 16 hexadecimal digits.
    """

    detector: Config
    stages: dict[str, Config]
    fingerprint: str

    def all(self) -> Iterator[Config]:
        """The detector and its stages."""
        yield self.detector
        yield from self.stages.values()


def run_configs(experiment: Experiment, run: Run) -> RunConfigs:
    """Puts the configs of a run together.

    Wherever the variant, or one of its stages, names the experiment's ``shots_file``,
    the shots that the seed draws are named instead. The seed is that of all
    stages.

    Args:
        experiment (Experiment): The experiment.
        run (Run): One of its runs.

    Returns:
        RunConfigs: Nothing is written yet.

    Raises:
        ValueError: The variant trains on something else than the shots, or is
            scored on something else than the experiment's images.
    """
    variant = run.variant
    detector = Config.fromfile(variant.config)
    detector.merge_from_dict(variant.options)
    stages = {}
    for name in STAGES:
        recipe = detector.get('stages', {}).get(name)
        if recipe is not None:
            stage = Config.fromfile(find_config(recipe.config, variant.config))
            stage.merge_from_dict(dict(recipe.pop('options', {})))
            stages[name] = stage
    drawn = shots_name(experiment.shots_file, run.shots, run.seed)

    def with_shots(text: str) -> str:
        if not text.endswith(experiment.shots_file):
            return text
        return text.removesuffix(experiment.shots_file) + drawn

    detector, *others = (
        _map_text(cfg, with_shots) for cfg in (detector, *stages.values())
    )
    stages = dict(zip(stages, others))
    for cfg in (detector, *others):
        cfg.randomness = dict(cfg.get('randomness', {}), seed=run.seed)
    if 'bank' in detector.get('stages', {}):
        detector.stages.bank.seed = run.seed
    shots = experiment.data_root / drawn
    trained = [Path(f) for f in ann_files(detector.train_dataloader)]
    if trained != [shots] and not variant.own_labels:
        msg = (
            f'variant {variant.name} trains on {", ".join(map(str, trained))} and '
            f'not on {experiment.data_root / experiment.shots_file}, which stands for '
            'the shots; only a variant with own_labels=True may'
        )
        raise InputError(msg)
    scored = [Path(f) for f in ann_files(detector.test_dataloader)]
    if scored != [experiment.score_file]:
        msg = (
            f'variant {variant.name} is tested on {", ".join(map(str, scored))}, the '
            f'experiment scores on {experiment.score_file}'
        )
        raise InputError(msg)
    fingerprint = _fingerprint(
        [_plain(c) for c in (detector, *others)],
        [
            *trained,
            experiment.score_file,
            experiment.data_root / experiment.pool,
        ],
    )
    recipe = _fingerprint(
        [
            *map(_plain, others),
            _plain(detector.get('stages', {}), ('root',)),
        ],
        [shots, experiment.data_root / experiment.pool],
    )
    if 'stages' in detector:
        # Variants with one recipe find the same generator, bank and backbone.
        old = str(detector.stages.root)
        name = f'{run.shots}_{run.seed}_{recipe}'
        new = str(experiment.work_dir / 'stages' / name)
        detector, *others = (
            _place(cfg, old, new) for cfg in (detector, *others)
        )
    detector.work_dir = str(experiment.work_dir / 'runs' / run.name)
    return RunConfigs(detector, dict(zip(stages, others)), fingerprint)


def write_run(configs: RunConfigs) -> Path:
    """Writes the configs of a run into its folder.

    Returns:
        Path: The detector's.
    """
    folder = Path(configs.detector.work_dir)
    for name, cfg in configs.stages.items():
        file = folder / f'{name}.py'
        _write(cfg, file)
        configs.detector.stages[name].config = str(file)
    file = folder / 'detector.py'
    _write(configs.detector, file)
    return file


def _write(cfg: Config, file: Path) -> None:
    atomic_write_bytes(file, cfg.pretty_text.encode())


def _place(cfg: Config, old: str, new: str) -> Config:
    """Moves what lies below the stages' root to another folder."""

    def moved(text: str) -> str:
        inside = text == old or text.startswith(old + '/')
        return new + text.removeprefix(old) if inside else text

    return _map_text(cfg, moved)


def _map_text(cfg: Config, change: Callable[[str], str]) -> Config:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(walk(item) for item in value)
        return change(value) if isinstance(value, str) else value

    return Config(walk(cfg.to_dict()), filename=cfg.filename)


def _plain(cfg: Any, left_out: tuple = ('work_dir', 'launcher')) -> dict:
    plain = cfg.to_dict() if hasattr(cfg, 'to_dict') else cfg
    return {k: v for k, v in plain.items() if k not in left_out}


def _fingerprint(settings: list[dict], files: list[Path]) -> str:
    digest = hashlib.sha256(
        json.dumps(settings, sort_keys=True, default=str).encode()
    )
    for file in files:
        if not file.is_file():
            msg = (
                f'no annotations at {file}; make them with '
                'tools/prepare_dataset.py'
            )
            raise MissingFileError(msg)
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
