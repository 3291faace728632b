"""Trains and tests a config, and records what the weights depend on."""

import copy
import hashlib
import shutil
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..bank.scenes import ANNOTATIONS
from ..checkpoints.weights_only import weights_file
from ..utils.checks import check_annotations
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes, read_json, write_json
from ..utils.image_files import listing_digest
from ..utils.provenance import read_record
from ..utils.stable_json import stable_json
from .fresh_draws import FreshDrawsHook
from .inputs import (
    allows_leakage,
    ann_files,
    inputs_of,
    own_hooks,
    pipeline_banks,
    scenes_of,
)
from .leakage import check_leakage
from .pipelines import config_dicts, type_name
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

    Returns:
        str: 16 hexadecimal digits, of the config's parts that matter and of
        the annotation files, tables, folders of images, banks, scenes and
        checkpoints of hooks that they name. What ``load_from`` and
        ``init_cfg`` name counts by its name: a run that has begun needs the
        file no longer.

    Raises:
        FileNotFoundError: An annotation file is missing.
    """
    parts = {key: cfg.get(key) for key in _PARTS}
    # What few configs have counts where it is: others keep their hash.
    if cfg.get('data_preprocessor'):
        parts['data_preprocessor'] = cfg.data_preprocessor
    if (cfg.get('auto_scale_lr') or {}).get('enable'):
        parts['auto_scale_lr'] = cfg.auto_scale_lr
    # Of the default hooks, averages and those of this package change the
    # weights.
    named = (cfg.get('default_hooks') or {}).values()
    own = own_hooks(cfg)
    ours = [
        hook
        for hook in named
        if any(hook is h for h in own)
        or (hook and type_name(hook) == 'EMAHook')
    ]
    if ours:
        parts['default_hooks'] = ours
    digest = hashlib.sha256(stable_json(parts).encode())
    for name in ann_files(cfg.get('train_dataloader')):
        check_annotations(name, f', named in {cfg.filename}')
        digest.update(Path(name).read_bytes())
    for source in config_dicts(cfg.get('train_dataloader')):
        for key in ('table', 'img_folder'):
            if source.get(key):
                digest.update(listing_digest(source[key]).encode())
    banks, checkpoints = inputs_of(cfg)
    for file in (
        *(Path(b) / 'manifest.json' for b in sorted(banks)),
        *(Path(s) / ANNOTATIONS for s in sorted(scenes_of(cfg))),
        *map(Path, sorted(checkpoints)),
    ):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def as_begun(cfg: Config) -> Config:
    """The config of a run before it was resumed, perhaps itself.

    ``--resume CHECKPOINT`` puts that in the place of the weights that the
    run began from; those are in its file.
    """
    if not cfg.get('resume'):
        return cfg
    cfg = copy.deepcopy(cfg)
    file = Path(cfg.filename or '')
    before = Config.fromfile(file) if file.is_file() else {}
    cfg.resume, cfg.load_from = False, before.get('load_from')
    return cfg


def stage_state(work_dir: str | Path) -> dict:
    """State of a run.

    Returns:
        dict: ``fingerprint`` (str or None); ``finished`` (bool); of a stage,
        ``images`` (str), the hash of the contents of its images.
    """
    nothing = dict(fingerprint=None, finished=False)
    return read_json(Path(work_dir) / STAGE_FILE, nothing)


def _build_runner(cfg: Config) -> Runner:
    if cfg.get('launcher', 'none') != 'none' and get_device() == 'cpu':
        # MMEngine gives each rank a GPU without asking whether there is one.
        wrapper = dict(
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
        cfg.model_wrapper_cfg = {**wrapper, **cfg.get('model_wrapper_cfg', {})}
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)


class _BeginHook(Hook):
    """Makes the work folder that of this run, which is not finished.

    The last of the hooks: a start that the checks of another one end leaves
    an earlier run as it was, to be resumed.

    Args:
        state (dict): Of this run, see :func:`stage_state`.
        afresh (bool): Whether it is not resumed.
    """

    def __init__(self, state: dict, *, afresh: bool) -> None:
        self._state = state
        self._afresh = afresh

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Writes the state."""
        if self._afresh:
            # An older run's, from which this one must not be resumed.
            last = Path(runner.work_dir) / 'last_checkpoint'
            last.unlink(missing_ok=True)
        _write_state(runner.work_dir, self._state)


def train(
    cfg: Config, resume: bool = False, images: str | None = None
) -> None:
    """Trains a config of any kind, as MMDetection's ``tools/train.py`` does.

    The hash of what the weights depend on is written beside them. Local
    checkpoints are read as weights only.

    Args:
        cfg (Config): With ``work_dir``, ``launcher`` and, where wanted,
            ``resume`` set.
        resume (bool): Resume from the newest checkpoint in the work folder,
            whatever the config says. Defaults to False.
        images (str | None): Hash of the contents of the images, kept with
            that. Defaults to None, it is not known.

    Raises:
        ValueError: A bank in a pipeline was made from validation or test
            images.
    """
    # Before the run, which may change the config.
    own = Path(cfg.get('load_from') or '').parent.resolve()
    goes_on = own == Path(cfg.work_dir).resolve()  # from a named checkpoint
    fingerprint = training_fingerprint(as_begun(cfg) if goes_on else cfg)
    state = dict(fingerprint=fingerprint, finished=False)
    if images is not None:
        state['images'] = images
    if resume:
        cfg.resume, cfg.load_from = True, None
    saving = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if saving.get('max_keep_ckpts') == 1:
        # MMEngine deletes the last one before it writes the next: a run that
        # was killed in between could not be resumed.
        saving['max_keep_ckpts'] = 2
    _keep_workers(cfg)
    begin = _BeginHook(state, afresh=not cfg.get('resume'))
    with weights_only_loading():
        runner = _build_runner(cfg)
        runner.register_hook(begin, 'LOWEST')
        runner.register_hook(FreshDrawsHook())
        # A hook checks its bank itself; a transform cannot.
        banks = sorted(pipeline_banks(cfg) | scenes_of(cfg))
        if banks:
            seen = {bank: read_record(bank) for bank in banks}
            check_leakage(runner, seen, allows_leakage(cfg))
        runner.train()
    _write_state(cfg.work_dir, dict(state, finished=True))


def _keep_workers(cfg: Config) -> None:
    """Has workers of the training stay from one epoch to the next.

    Those that are started anew have the seed of the first epoch again: what
    they draw, such as scenes and windows of a bank, would be the same in each.
    """
    loader = cfg.get('train_dataloader') or {}
    if loader.get('num_workers'):
        loader['persistent_workers'] = True


def test(
    cfg: Config, checkpoint: str | Path, results: str | Path | None = None
) -> tuple[dict, Path | None]:
    """Tests a detector on its test images.

    Args:
        cfg (Config): With ``work_dir`` and ``launcher`` set.
        checkpoint (str | Path): Weights of the whole detector.
        results (str | Path | None): File of the detections without
            ``.bbox.json``. Defaults to None, none is written.

    Returns:
        tuple[dict, Path | None]: The metrics (``coco/bbox_mAP``, ...; in
        [0, 1]) and the file of detections in the COCO results format.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It holds code or no weights, or the config has several
            evaluators or one that writes no COCO results.
    """
    if results is not None:
        evaluator = cfg.test_evaluator
        single = isinstance(evaluator, dict)
        kind = type_name(evaluator) if single else 'a list'
        if kind != 'CocoMetric':
            msg = f'CocoMetric writes detections; test_evaluator is {kind}'
            raise InputError(msg)
        evaluator.outfile_prefix = str(results)
    cfg = _named_apart(cfg)
    # MMEngine's own loader falls back to executing what it cannot read.
    with weights_file(checkpoint) as file:
        # A config dumped by a run that was resumed says resume=True.
        cfg.load_from, cfg.resume = str(file), False
        metrics = _build_runner(cfg).test()
    return metrics, None if results is None else Path(f'{results}.bbox.json')


def _named_apart(cfg: Config) -> Config:
    """A copy whose dump does not replace the config of the training.

    MMEngine dumps the config of a test under its file's name, with what was
    changed for that test, such as several views of an image.
    """
    cfg = copy.deepcopy(cfg)
    if cfg.filename:
        file = Path(cfg.filename)
        name = str(file.with_name(f'{file.stem}_test{file.suffix}'))
        # Plain assignment would be a setting of the config.
        object.__setattr__(cfg, '_filename', name)
    return cfg


def is_finished(cfg: Config, images: str | None = None) -> bool:
    """Whether the work folder holds a finished run of config and images."""
    return stage_state(cfg.work_dir)['finished'] and _is_same(cfg, images)


def can_resume(cfg: Config, images: str | None = None) -> bool:
    """Whether the work folder holds a run of the same config and images."""
    begun = last_checkpoint(cfg.work_dir) is not None
    return begun and _is_same(cfg, images)


def _is_same(cfg: Config, images: str | None) -> bool:
    state = stage_state(cfg.work_dir)
    # Runs of older versions, and those that are no stage's, do not know
    # what was in their images; who no longer has these keeps the weights.
    known = images is not None and state.get('images') is not None
    return state['fingerprint'] == training_fingerprint(cfg) and not (
        known and state['images'] != images
    )


def last_checkpoint(work_dir: str | Path) -> Path | None:
    """The checkpoint that a work folder names as its last, if it is there.

    MMEngine writes an absolute or relative path; that of a folder that was
    moved is corrected.
    """
    names = Path(work_dir) / 'last_checkpoint'
    if not names.is_file():
        return None
    named = Path(names.read_text().strip())
    here = Path(work_dir) / named.name
    if not named.is_file() and here.is_file():
        atomic_write_bytes(names, str(here).encode())
        return here
    return named if named.is_file() else None


def set_aside(folder: str | Path) -> Path | None:
    """Renames a folder to ``<name>.old-<number>``.

    Returns:
        Path | None: The new path; None if there was no folder.
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
def _write_state(work_dir: str, state: dict) -> None:
    write_json(Path(work_dir) / STAGE_FILE, state)
