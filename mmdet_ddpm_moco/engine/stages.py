"""The stages before a detector: generator, bank, backbone, teachers.

A detector config says in ``stages`` how they are made::

    stages = dict(
        root='work_dirs/neu_det',
        generator=dict(config='ddpm/ddpm_unet64_1xb64-20ki_neu-det.py'),
        bank=dict(num=2000),
        backbone=dict(config='mocov2/mocov2_r50_1xb128-coslr-200e_neu-det.py'),
        teacher=dict(unlabeled='data/NEU-DET/annotations/unlabeled.json'))

Their outputs are ``root/ddpm/generator``, ``root/bank``,
``root/moco/backbone.pth`` and ``root/scenes``. A stage is made only if the
detector reads its output, None is one that the config does not have. A
``DDPMMoCoHook`` without ``bank``, ``checkpoint`` and ``scenes`` reads the
outputs of all of them. ``options`` of a stage replace settings of its
config; teachers without a ``config`` have the detector's, see
:mod:`~mmdet_ddpm_moco.engine.teacher_stage`. With ``scenes=True`` the
generator learns from the scenes, too, and the bank has windows on them; the
backbone learns from the kinds that they tell, and teachers then start without
it. It also does if a source of its config has ``root/scenes/defects.json`` as
``ann_file``, and from the bank with ``root/bank/annotations.json``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier
from mmengine.logging import print_log

from ..utils.dist import long_timeout_group, main_process_first
from ..utils.errors import InputError, MissingFileError
from .admission import admit
from .bank_stage import bank_stage
from .inputs import (
    hook_configs,
    inputs_of,
    scenes_of,
    stage_outputs,
    stages_root,
)
from .leakage import check_planned_leakage
from .learning_from_scenes import learn_from_scenes
from .pipelines import config_dicts, config_pipelines, type_name
from .run_record import RunRecord
from .stage import Stage, sole_maker
from .stage_config import learned_by_backbone, stage_config
from .teacher_stage import read_teacher, teacher_stage
from .training_stage import training_stage


def stages_of(cfg: Config, launcher: str = 'none') -> list[Stage]:
    """The stages that a detector needs and its config can make, in order.

    Raises:
        FileNotFoundError: A bank, checkpoint or scenes are missing that no
            stage makes, or a stage's config is.
        ValueError: The detector's work folder is one of the stages'.
    """
    root, outputs = stages_root(cfg), stage_outputs(cfg)
    _check_work_dir(cfg, root)
    bank, checkpoint = outputs.get('bank'), outputs.get('checkpoint')
    scenes = outputs.get('scenes')
    banks, checkpoints = inputs_of(cfg)
    all_scenes = scenes_of(cfg)
    _check_for_scenes(cfg)
    found: dict[str, Stage] = {}
    needs: dict[str, set[str]] = {'bank': {'generator'}}
    teacher = None
    recipes = cfg.get('stages') or {}
    learns = (recipes.get('generator') or {}).get('scenes')
    contrasts = checkpoint and _among(checkpoint, checkpoints)
    if contrasts and 'scenes' in learned_by_backbone(cfg):
        all_scenes.add(str(root / 'scenes'))
    read = _among(scenes, all_scenes) if scenes else False
    if scenes and (read or (learns and bank and _among(bank, banks))):
        teacher = read_teacher(cfg)
        starts = inputs_of(teacher)[1]
        if checkpoint and _among(checkpoint, starts):
            needs['teacher'] = {'backbone'}
        checkpoints |= starts
        found['teacher'] = teacher_stage(cfg, teacher, Path(scenes))
    if checkpoint and _among(checkpoint, checkpoints):
        moco = _stage_config(cfg, 'backbone', root / 'moco', launcher)
        learn_from_scenes('backbone', moco, cfg, teacher)
        found['backbone'] = training_stage(
            cfg, 'backbone', moco, Path(checkpoint)
        )
        makers = dict(bank='bank', scenes='teacher')
        learned = learned_by_backbone(cfg)
        needs['backbone'] = {makers[name] for name in learned}
        if 'bank' in learned:
            banks.add(str(root / 'bank'))
    if bank and _among(bank, banks):
        ddpm = _stage_config(cfg, 'generator', root / 'ddpm', launcher)
        learn_from_scenes('generator', ddpm, cfg, teacher)
        if learns:
            needs['generator'] = {'teacher'}
        generator = root / 'ddpm' / 'generator'
        found['generator'] = training_stage(cfg, 'generator', ddpm, generator)
        found['bank'] = bank_stage(
            ddpm, generator, Path(bank), cfg.stages.bank
        )
    stages = _in_order(found, needs)
    made = {stage.output for stage in stages}
    tools = {
        **dict.fromkeys(
            checkpoints, 'tools/train.py and a config of configs/mocov2'
        ),
        **dict.fromkeys(all_scenes, 'tools/pseudo_label.py'),
        **dict.fromkeys(banks, 'tools/synthesize.py'),
    }
    for path, tool in sorted(tools.items()):
        if not _among(path, made) and not Path(path).exists():
            msg = (
                f'{path}, which {cfg.filename} reads, does not exist and '
                f'its `stages` do not make it; make it with {tool}'
            )
            raise MissingFileError(msg)
    return stages


def _check_for_scenes(cfg: Config) -> None:
    """A detector of masks cannot learn from scenes, which have boxes."""
    parts = [cfg.get('train_dataloader'), *hook_configs(cfg)]
    takes = any(
        part.get('scenes') and part.get('scene_prob', 1)
        for part in config_dicts(parts)
    )
    with_masks = any(
        type_name(transform) == 'LoadAnnotations'
        and transform.get('with_mask')
        for pipeline in config_pipelines(parts)
        for transform in pipeline
    )
    if takes and with_masks:
        msg = (
            f'{cfg.filename} trains on masks (with_mask=True), and scenes '
            'hold boxes alone: use a detector of boxes, or leave out '
            'stages.teacher and scenes'
        )
        raise InputError(msg)


def _check_work_dir(cfg: Config, root: Path) -> None:
    """Detector and stage would move each other's files away."""
    if not (cfg.get('stages') and cfg.get('work_dir')):
        return
    own = Path(cfg.work_dir).resolve()
    for name in ('ddpm', 'bank', 'moco', 'scenes'):
        folder = (root / name).resolve()
        if folder in (own, *own.parents):
            msg = (
                f'the work_dir {cfg.work_dir} is where `stages` write '
                f'{root / name}; give the detector another one'
            )
            raise InputError(msg)


def _in_order(
    found: Mapping[str, Stage], needs: Mapping[str, Collection[str]]
) -> list[Stage]:
    """Stages, each after the one it needs."""
    ordered: list[str] = []

    def place(name: str, waiting: tuple[str, ...]) -> None:
        if name in waiting:
            msg = (
                'the stages wait for each other: '
                f'{" for ".join((*waiting, name))}; the generator learns from '
                'scenes, teachers start from the backbone, and that learns '
                'from the bank or the scenes: leave one of these out'
            )
            raise InputError(msg)
        if name in found and name not in ordered:
            for other in sorted(needs.get(name, ())):
                place(other, (*waiting, name))
            ordered.append(name)

    for name in ('generator', 'bank', 'backbone', 'teacher'):
        place(name, ())
    return [found[name] for name in ordered]


def _among(path: str | Path, others: Iterable[str | Path]) -> bool:
    return Path(path).resolve() in {Path(other).resolve() for other in others}


def prepare(cfg: Config, launcher: str = 'none') -> None:
    """Makes what a detector reads and is missing or stale.

    With ``stages.admission``, first what it turns away is left out of the
    config. With stages, a record of them is in the work folder, see
    :mod:`~mmdet_ddpm_moco.engine.run_record`.

    Raises:
        FileNotFoundError: See :func:`stages_of`.
        ValueError: A stage would be trained on the detector's validation or
            test images, or leaves no output.
    """
    stages = stages_of(cfg, launcher)
    check_planned_leakage(cfg, {s.name: s.images for s in stages if s.images})
    if not stages:
        if unread := stage_outputs(cfg):
            print_log(
                f'warning: no DDPMMoCoHook reads the {", ".join(unread)} that '
                f'the stages of {cfg.filename} describe, so none is made'
            )
        return
    with sole_maker(stages_root(cfg)):
        if admit(cfg):
            stages = stages_of(cfg, launcher)
        _make(cfg, stages)


def _make(cfg: Config, stages: Sequence[Stage]) -> None:
    """Makes what is not up to date."""
    record = RunRecord(cfg, stages)
    for number, stage in enumerate(stages):
        head = f'stage {number + 1} of {len(stages)}, {stage.name}: '
        # Another rank might check while this one already works.
        if main_process_first(stage.fresh, long_timeout_group()):
            record.reuse(number)
            print_log(f'{head}{stage.output} is up to date, reused')
            continue
        record.begin(number)
        print_log(f'{head}making {stage.output}')
        stage.make()
        barrier()
        if not stage.output.exists():
            msg = (
                f'the {stage.name} stage ran but left no {stage.output}; '
                'does its config export what it trains?'
            )
            raise InputError(msg)
        record.end(number)
    print_log('all stages are ready, the detector follows')


def check_prepared(cfg: Config) -> None:
    """Checks that all that a detector reads is there and up to date.

    Raises:
        ValueError: Names what is not, and the commands that make it.
    """
    admit(cfg, make=False)
    stages = stages_of(cfg)
    for first, stage in enumerate(stages):
        if not stage.fresh():
            commands = '\n  '.join(s.command for s in stages[first:])
            msg = (
                f'{stage.output} is missing or stale and --no-prepare was '
                f'given; these commands make it and what follows:\n  '
                f'{commands}'
            )
            raise InputError(msg)


def _stage_config(
    cfg: Config, name: str, work_dir: Path, launcher: str
) -> Config:
    if 'config' not in (cfg.stages.get(name) or {}):
        msg = f'stages of {cfg.filename} has no {name}=dict(config=...)'
        raise InputError(msg)
    stage = stage_config(cfg, cfg.stages[name])
    stage.work_dir = str(work_dir)
    stage.launcher = launcher
    return stage
