"""Which of the stages before a detector are needed, and in which order."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from ..utils.errors import InputError, MissingFileError
from .bank_stage import bank_stage
from .inputs import (
    hook_configs,
    inputs_of,
    scenes_of,
    stage_outputs,
    stages_root,
)
from .learning_from_scenes import learn_from_scenes
from .pipelines import config_dicts, config_pipelines, type_name
from .stage import Stage
from .stage_config import learned_by_backbone, stage_config
from .teacher_stage import read_teacher, teacher_stage
from .training_stage import training_stage

# What a detector reads, the stage that makes it, and the tool that does.
_MAKERS = dict(bank='bank', checkpoint='backbone', scenes='teacher')
_TOOLS = dict(
    bank='tools/synthesize.py',
    checkpoint='tools/train.py and a config of configs/mocov2',
    scenes='tools/pseudo_label.py',
)


def stages_of(cfg: Config, launcher: str = 'none') -> list[Stage]:
    """The stages that a detector needs and its config can make, in order.

    Raises:
        FileNotFoundError: A bank, checkpoint or scenes are missing that no
            stage makes, or a stage's config is.
        ValueError: The detector's work folder is one of the stages', it
            cannot learn from scenes, or the stages wait for each other.
    """
    _check_work_dir(cfg)
    _check_for_scenes(cfg)
    plan = _Plan(cfg, launcher)
    for part, stage in _MAKERS.items():
        if plan.makes(part):
            plan.add(stage)
    plan.check_complete()
    return list(plan.stages.values())


class _Plan:
    """The stages found so far, each after those that it needs.

    Args:
        cfg (Config): The detector's.
        launcher (str): Of the stages.
    """

    def __init__(self, cfg: Config, launcher: str) -> None:
        self.cfg, self.launcher = cfg, launcher
        self.root, self.outputs = stages_root(cfg), stage_outputs(cfg)
        self.stages: dict[str, Stage] = {}
        banks, checkpoints = inputs_of(cfg)
        # By the detector, and by stages once they are added.
        self.read = dict(
            bank=banks, checkpoint=checkpoints, scenes=scenes_of(cfg)
        )

    def makes(self, part: str) -> bool:
        """Whether something reads a part that a stage makes."""
        made = self.outputs.get(part)
        return made is not None and _among(made, self.read[part])

    def add(self, name: str, waiting: tuple[str, ...] = ()) -> None:
        """Adds a stage after all that it needs."""
        if name in waiting:
            msg = (
                'the stages wait for each other: '
                f'{" for ".join((*waiting, name))}; the generator learns from '
                'scenes, teachers start from the backbone, and that learns '
                'from the bank or the scenes: leave one of these out'
            )
            raise InputError(msg)
        if name in self.stages:
            return
        for other in sorted(self._needs(name)):
            self.add(other, (*waiting, name))
        self.stages[name] = self._stage(name)

    def check_complete(self) -> None:
        """Refuses a plan that reads what neither exists nor is made."""
        made = {stage.output for stage in self.stages.values()}
        for part, paths in self.read.items():
            for path in sorted(paths):
                if _among(path, made) or Path(path).exists():
                    continue
                msg = (
                    f'{path}, which {self.cfg.filename} reads, does not exist '
                    'and its `stages` do not make it; make it with '
                    f'{_TOOLS[part]}'
                )
                raise MissingFileError(msg)

    def _needs(self, name: str) -> set[str]:
        """The stages that one needs; notes what else it reads."""
        if name == 'bank':
            return {'generator'}
        read: dict[str, set[str]] = {}
        if name == 'teacher':
            read['checkpoint'] = inputs_of(self._teacher)[1]
        elif name == 'backbone':
            learned = learned_by_backbone(self.cfg)
            read = {part: {str(self.root / part)} for part in learned}
        elif self._learns_from_scenes(name):
            read['scenes'] = {str(self.root / 'scenes')}
        for part, paths in read.items():
            self.read[part] |= paths
        return {
            _MAKERS[part]
            for part, paths in read.items()
            if part in self.outputs and _among(self.outputs[part], paths)
        }

    def _stage(self, name: str) -> Stage:
        if name == 'teacher':
            scenes = Path(self.outputs['scenes'])
            return teacher_stage(self.cfg, self._teacher, scenes)
        if name == 'backbone':
            moco = self._trained('backbone', 'moco')
            backbone = Path(self.outputs['checkpoint'])
            return training_stage(self.cfg, 'backbone', moco, backbone)
        generator = self.root / 'ddpm' / 'generator'
        if name == 'generator':
            return training_stage(self.cfg, name, self._ddpm, generator)
        bank = Path(self.outputs['bank'])
        recipes, config = self.cfg.stages, Path(self._ddpm.filename)
        changed = recipes.generator.get('options')
        if changed or self._learns_from_scenes('generator'):
            # What its training dumps names the images, the file does not.
            config = self.root / 'ddpm' / config.name
        return bank_stage(self._ddpm, generator, bank, recipes.bank, config)

    @cached_property
    def _teacher(self) -> Config:
        return read_teacher(self.cfg)

    @cached_property
    def _ddpm(self) -> Config:
        return self._trained('generator', 'ddpm')

    def _trained(self, name: str, folder: str) -> Config:
        """The config of a training, with what it learns from teachers."""
        recipe = self.cfg.stages.get(name) or {}
        if 'config' not in recipe:
            msg = (
                f'stages of {self.cfg.filename} has no {name}=dict(config=...)'
            )
            raise InputError(msg)
        stage = stage_config(self.cfg, recipe)
        stage.work_dir = str(self.root / folder)
        stage.launcher = self.launcher
        asks = self._learns_from_scenes(name) and 'scenes' in self.outputs
        teacher = self._teacher if asks else None
        learn_from_scenes(name, stage, self.cfg, teacher)
        return stage

    def _learns_from_scenes(self, name: str) -> bool:
        return bool((self.cfg.stages.get(name) or {}).get('scenes'))


def _check_for_scenes(cfg: Config) -> None:
    """A detector of masks cannot learn from scenes, which have boxes."""
    parts = [cfg.get('train_dataloader'), *hook_configs(cfg)]
    takes = any(
        part.get('scenes') and part.get('scene_prob') != 0
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


def _check_work_dir(cfg: Config) -> None:
    """Detector and stage would move each other's files away."""
    if not (cfg.get('stages') and cfg.get('work_dir')):
        return
    own, root = Path(cfg.work_dir).resolve(), stages_root(cfg)
    for name in ('ddpm', 'bank', 'moco', 'scenes'):
        folder = (root / name).resolve()
        if folder in (own, *own.parents):
            msg = (
                f'the work_dir {cfg.work_dir} is where `stages` write '
                f'{root / name}; give the detector another one'
            )
            raise InputError(msg)


def _among(path: str | Path, others: Iterable[str | Path]) -> bool:
    return Path(path).resolve() in {Path(other).resolve() for other in others}
