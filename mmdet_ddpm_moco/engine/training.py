"""Training one config, and knowing later what it was trained from."""

import hashlib
import json
import shutil
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from ..utils.errors import MissingFileError
from ..utils.fileio import read_json, write_json
from ..utils.provenance import read_record
from .inputs import allows_leakage, ann_files, inputs_of, pipeline_banks
from .leakage import check_leakage
from .safe_loading import weights_only_loading

STAGE_FILE = 'stage.json'

# The parts of a config that the trained weights depend on.
_PARTS = (
    'model',
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
    'randomness',
    'load_from',
)


def training_fingerprint(cfg: Config) -> str:
    """Hash of what a run's weights depend on.

    Args:
        cfg (Config): The run.

    Returns:
        str: 16 hexadecimal digits, of the config's parts that matter and of
        the annotation files, banks and checkpoints they name.

    Raises:
        FileNotFoundError: An annotation file is missing.
    """
    parts = {key: cfg.get(key) for key in _PARTS}
    digest = hashlib.sha256(
        json.dumps(parts, sort_keys=True, default=str).encode()
    )
    for file in ann_files(cfg.get('train_dataloader')):
        if not Path(file).is_file():
            msg = (
                f'no annotations at {file}, named in {cfg.filename}; make '
                'them with tools/prepare_dataset.py'
            )
            raise MissingFileError(msg)
        digest.update(Path(file).read_bytes())
    banks, checkpoints = inputs_of(cfg)
    for file in (
        *(Path(b) / 'manifest.json' for b in sorted(banks)),
        *map(Path, sorted(checkpoints)),
    ):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def stage_state(work_dir: str | Path) -> dict:
    """What is known of the run in a work folder.

    Returns:
        dict: ``fingerprint`` (str or None) and ``finished`` (bool).
    """
    nothing = dict(fingerprint=None, finished=False)
    return read_json(Path(work_dir) / STAGE_FILE, nothing)


def train(cfg: Config, resume: bool = False) -> None:
    """Trains a config of any kind, as MMDetection's ``tools/train.py`` does.

    What the weights depend on is written beside them. Local checkpoints are
    read as weights only.

    Args:
        cfg (Config): With ``work_dir``, ``launcher`` and, where wanted,
            ``resume`` set.
        resume (bool): Go on from the newest checkpoint in the work folder,
            whatever the config says of that. Defaults to False.

    Raises:
        ValueError: A bank in a pipeline was made from validation or test
            images.
    """
    # Before the run: it may change what it is given.
    fingerprint = training_fingerprint(cfg)
    if resume:
        cfg.resume, cfg.load_from = True, None
    if not cfg.get('resume'):
        _forget_checkpoint(cfg.work_dir)
    _note(cfg.work_dir, fingerprint, finished=False)
    with weights_only_loading():
        runner = (
            RUNNERS.build(cfg)
            if 'runner_type' in cfg
            else Runner.from_cfg(cfg)
        )
        # A hook looks for itself; a transform knows no other images.
        banks = sorted(pipeline_banks(cfg))
        if banks:
            seen = {bank: read_record(bank) for bank in banks}
            check_leakage(runner, seen, allows_leakage(cfg))
        runner.train()
    _note(cfg.work_dir, fingerprint, finished=True)


def is_finished(cfg: Config) -> bool:
    """Whether the work folder holds a finished run of this very config."""
    return stage_state(cfg.work_dir) == dict(
        fingerprint=training_fingerprint(cfg), finished=True
    )


def can_resume(cfg: Config) -> bool:
    """Whether the work folder holds an unfinished run of this very config."""
    state = stage_state(cfg.work_dir)
    return (
        state['fingerprint'] == training_fingerprint(cfg)
        and find_latest_checkpoint(cfg.work_dir) is not None
    )


def set_aside(folder: str | Path) -> Path | None:
    """Moves a folder out of the way, losing nothing.

    Returns:
        Path | None: Where it is now; None if there was nothing.
    """
    folder = Path(folder)
    if not folder.exists():
        return None
    number = 1
    while (aside := folder.with_name(f'{folder.name}.old-{number}')).exists():
        number += 1
    shutil.move(folder, aside)
    return aside


@master_only
def _forget_checkpoint(work_dir: str) -> None:
    """An older run's checkpoint is not what this one goes on from."""
    (Path(work_dir) / 'last_checkpoint').unlink(missing_ok=True)


@master_only
def _note(work_dir: str, fingerprint: str, *, finished: bool) -> None:
    state = dict(fingerprint=fingerprint, finished=finished)
    write_json(Path(work_dir) / STAGE_FILE, state)
