"""The stage of the teachers, whose output are scenes."""

import copy
import gc
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device

from ..bank.scenes import MANIFEST
from ..teacher.defects import FILE as DEFECTS
from ..teacher.settings import TeacherOptions
from ..utils.dist import long_timeout_group, main_process_first
from ..utils.errors import InputError, MissingFileError
from ..utils.paths import find_config
from ..utils.requirements import check_module
from ..utils.run_logged import run_logged
from .image_sets import (
    ImageSet,
    labeled_images,
    labeled_source,
    unlabeled_images,
)
from .inputs import drop_checkpoint, own_hooks, reads, stages_root
from .pipelines import trained_views
from .scenes_state import scenes_state
from .stage import Stage, clear_away, flags, quoted
from .teacher_config import check_predicts, teacher_config
from .training import stage_state

_OWN = ('config', 'options', 'unlabeled', 'unlabeled_prefix')


def read_teacher(detector: Config) -> Config:
    """The config of a detector's teachers: ``stages.teacher``.

    Without a config of its own it is the detector's, from its file: what is
    changed for one training of the detector alone, such as its seed on the
    command line, does not make its teachers stale. Weights that admission
    turned away are not in it, though its file names them.

    Returns:
        Config: From :func:`teacher_config`.

    Raises:
        FileNotFoundError: There is no such config.
    """
    recipe = detector.stages.teacher
    own = recipe.get('config')
    if own:
        path = find_config(own, detector.filename)
        cfg = Config.fromfile(path)
    else:
        cfg = Config.fromfile(detector.filename)
        cfg.stages = copy.deepcopy(detector.stages)
        cfg.stages.root = str(stages_root(detector))
    # A copy: merging takes `_delete_` from what it merges.
    cfg.merge_from_dict(copy.deepcopy(dict(recipe.get('options') or {})))
    teacher = teacher_config(cfg)
    if not own and not detector.stages.get('backbone'):
        weights = str(stages_root(detector) / 'moco' / 'backbone.pth')
        hooks = own_hooks(detector)
        # A detector that still reads them has them from elsewhere.
        if not any(reads(hook, 'checkpoint', weights) for hook in hooks):
            drop_checkpoint(teacher, weights)
    return teacher


def teacher_images(recipe: dict, teacher: Config) -> tuple[ImageSet, ImageSet]:
    """Labeled and unlabeled images of ``stages.teacher``.

    Raises:
        FileNotFoundError: Some are missing.
        ValueError: No image is left to be labeled.
    """
    labeled = labeled_images(teacher)
    prefix = recipe.get('unlabeled_prefix')
    return labeled, unlabeled_images(recipe['unlabeled'], prefix, labeled)


def teacher_stage(detector: Config, teacher: Config, out: Path) -> Stage:
    """The stage that makes scenes.

    Args:
        detector (Config): With ``stages.teacher``.
        teacher (Config): From :func:`read_teacher`.
        out (Path): Folder of the scenes.

    Returns:
        Stage: Its teachers are trained by the main process alone, each as
        its config says: the scenes do not depend on the number of ranks.

    Raises:
        FileNotFoundError: There are no unlabeled images.
        ValueError: An option is unknown or out of range.
        StackError: ensemble-boxes is missing.
    """
    recipe = detector.stages.teacher
    options = _options(detector, teacher)
    _check_labels(detector, teacher)
    check_predicts(teacher)
    if not (out / MANIFEST).is_file():
        # Not after the stages before it, which may take days.
        check_module('ensemble_boxes')

    @cache
    def images() -> tuple[ImageSet, ImageSet]:
        return teacher_images(recipe, teacher)

    def all_images() -> Iterator[Path]:
        for found in images():
            yield from found.paths()

    def state() -> dict:
        return scenes_state(teacher, *images(), options, finished=True)

    def fresh() -> bool:
        # Scenes of older versions lack the second.
        whole = all((out / name).is_file() for name in (MANIFEST, DEFECTS))
        return whole and stage_state(out) == state()

    def make_here() -> None:
        from .teachers import make_pseudo_labels

        if 'teachers' not in stage_state(out):
            clear_away(out)  # of an older version
        # The stages before trained in this process, teachers train in their
        # own: what is left on the GPU is theirs.
        gc.collect()
        torch.cuda.empty_cache()
        make_pseudo_labels(
            teacher,
            *images(),
            out,
            options,
            device=get_device(),
            command=run_logged,
        )

    def make() -> None:
        main_process_first(make_here, long_timeout_group())

    command = _command(detector, out)
    return Stage('teacher', out, fresh, make, command, all_images)


def _check_labels(detector: Config, teacher: Config) -> None:
    """Checks that teachers learn from the labels that the detector has.

    They would tell it what it is not to know.
    """
    recipe = detector.stages.teacher
    options = recipe.get('options') or {}
    if recipe.get('config') or any('train_dataloader' in o for o in options):
        return  # said on purpose
    learned, own = (labeled_source(cfg)[0] for cfg in (teacher, detector))
    if learned.resolve() != own.resolve():
        msg = (
            f'teachers would learn from {learned}, as {detector.filename} '
            f'says, and the detector from {own}; set it in that file, or for '
            'teachers, too, in stages.teacher.options'
        )
        raise InputError(msg)


def _options(detector: Config, teacher: Config) -> TeacherOptions:
    given = dict(detector.stages.teacher)
    known = [field.name for field in fields(TeacherOptions)]
    unknown = sorted(set(given) - {*known, *_OWN})
    source = given.get('unlabeled')
    if not source or unknown:
        wrong = 'needs unlabeled'
        if unknown:
            wrong = f'has no {", ".join(unknown)}'
        msg = f'stages.teacher {wrong}; it takes {", ".join((*_OWN, *known))}'
        raise InputError(msg)
    if not Path(source).exists():
        msg = (
            f'no unlabeled images at {source}, which stages.teacher of '
            f'{detector.filename} names; give a COCO json or a folder'
        )
        raise MissingFileError(msg)
    chosen = {k: given[k] for k in known if given.get(k) is not None}
    flips = tuple(chosen.pop('flips', trained_views(teacher)))
    return TeacherOptions(flips=flips, **chosen)


def _command(detector: Config, out: Path) -> str:
    recipe = dict(detector.stages.teacher)
    changes = dict(recipe.pop('options', None) or {})
    config = recipe.pop('config', None)
    if config:
        config = find_config(config, detector.filename)
    else:
        config, root = detector.filename, str(stages_root(detector))
        if str(stages_root(Config.fromfile(config))) != root:
            changes['stages.root'] = root
    given = dict(recipe, out=out, cfg_options=changes or None)
    chosen = {k: v for k, v in given.items() if v is not None}
    tool = quoted('python', 'tools/pseudo_label.py', config)
    return f'{tool} {flags(chosen)}'
