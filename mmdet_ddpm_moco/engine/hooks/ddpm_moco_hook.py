"""The one config line that adds a bank, scenes and contrastive weights."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ...bank.reader import DefectBank
from ...bank.scenes import Scenes
from ...datasets.transforms.scene_swap import SceneSwap
from ...utils.checks import check_arguments
from ...utils.errors import InputError
from ...utils.provenance import read_record
from ..inputs import stage_outputs
from ..leakage import check_leakage
from ..pipelines import insert_config, loading_datasets
from ..scene_share import count_defective, scene_share
from ..training_set_checks import augment_of, check_labels, check_windows
from ..transform_insertion import (
    change_config,
    insert_transform,
    restart_workers,
)
from .contrastive_init_hook import ContrastiveInitHook, check_twins


@HOOKS.register_module()
class DDPMMoCoHook(Hook):
    """Adds synthesized defects, scenes and weights to any detector.

    The two halves of DDPM-MoCo (arXiv 2407.03332). Before training it
    inserts :class:`DiffusionDefectAugment` after ``LoadAnnotations`` in
    every training pipeline, those of a ``PipelineSwitchHook`` included, and
    has the backbone start from the given weights as
    :class:`ContrastiveInitHook` does. It logs what it changed. A
    ``DiffusionDefectAugment`` that is already in a pipeline is left as it
    is. ``val()`` and ``test()`` are not changed.

    Without ``bank``, ``checkpoint`` and ``scenes`` it takes what the
    ``stages`` of the config make, see :mod:`~mmdet_ddpm_moco.engine.stages`.

    Args:
        bank (str | None): Folder of a defect bank. Defaults to None, no
            synthesized defects.
        checkpoint (str | None): Weights for the backbone. Defaults to None,
            which leaves it as it is.
        prob (float): See :class:`DiffusionDefectAugment`. Defaults to 0.5.
        max_windows (int): See :class:`DiffusionDefectAugment`. Defaults to
            4.
        scenes (str | None): Folder of scenes, see ``tools/pseudo_label.py``.
            Defaults to None, none.
        scene_prob (float | None): See :class:`DiffusionDefectAugment`.
            Defaults to None, see :func:`scene_share`.
        scene_end (float): Share of the training, in (0, 1], after which no
            sample is swapped for a scene, so that the end sees true labels
            alone. Defaults to 1, scenes to the end.
        min_coverage (float): See :class:`ContrastiveInitHook`. Defaults to
            0.95.
        unfreeze (bool): See :class:`ContrastiveInitHook`. Defaults to False.
        allow_leakage (bool): Train although validation or test images, or
            near duplicates of them, are among those that bank, generator or
            weights were made from, with a warning. Defaults to False, that
            is an error.
        class_weights (Mapping[str, float] | None): See
            :class:`DiffusionDefectAugment`. Defaults to None.
        min_visibility (float): See :class:`DiffusionDefectAugment`. Defaults
            to 0.

    Examples:
        >>> custom_hooks = [
        ...     dict(
        ...         type='mmdet_ddpm_moco.DDPMMoCoHook',
        ...         bank='work_dirs/neu_det/bank',
        ...         checkpoint='work_dirs/neu_det/moco/backbone.pth',
        ...     )
        ... ]
    """

    def __init__(
        self,
        bank: str | None = None,
        checkpoint: str | None = None,
        prob: float = 0.5,
        max_windows: int = 4,
        scenes: str | None = None,
        scene_prob: float | None = None,
        scene_end: float = 1.0,
        min_coverage: float = 0.95,
        unfreeze: bool = False,
        allow_leakage: bool = False,
        class_weights: Mapping[str, float] | None = None,
        min_visibility: float = 0.0,
    ) -> None:
        check_arguments(
            locals(),
            scene_prob=(
                scene_prob is None or 0 <= scene_prob <= 1,
                'in [0, 1] or None',
            ),
            scene_end=(0 < scene_end <= 1, 'in (0, 1]'),
        )
        self.augment = dict(
            prob=prob,
            max_windows=max_windows,
            class_weights=class_weights,
            min_visibility=min_visibility,
        )
        self.scene_prob = scene_prob
        self.scene_end = scene_end
        self._swaps: list[SceneSwap] = []
        self.allow_leakage = allow_leakage
        self._contrastive_init = partial(
            ContrastiveInitHook,
            min_coverage=min_coverage,
            unfreeze=unfreeze,
            allow_leakage=allow_leakage,
        )
        self._use(bank, checkpoint, scenes)

    def _use(
        self,
        bank: str | None = None,
        checkpoint: str | None = None,
        scenes: str | None = None,
    ) -> None:
        self.bank = bank
        self.scenes = scenes
        self.contrastive = (
            None if checkpoint is None else self._contrastive_init(checkpoint)
        )

    def before_run(self, runner: Runner) -> None:
        """Inserts the transform and prepares the weights.

        Raises:
            FileNotFoundError: Bank or checkpoint does not exist.
            ValueError: Neither is given or made by the config's stages, two
                hooks give the same, the bank does not belong to the training
                set, no training pipeline loads annotations or all of them
                are ignored, the weights do not fit, or what is given was
                made from validation or test images.
        """
        # The property would build the loop, and with it the training data.
        if not isinstance(runner._train_loop, BaseLoop):
            return
        if self._has_nothing():
            self._use(**stage_outputs(runner.cfg))
        if self._has_nothing():
            msg = (
                'DDPMMoCoHook needs a bank, scenes, a checkpoint or several '
                'of them; got none, and the config has no `stages` that make '
                'them'
            )
            raise InputError(msg)
        check_twins(runner, self)
        check_labels(loading_datasets(runner.train_dataloader.dataset))
        seen = {}
        if self.bank is not None:
            seen[self.bank] = read_record(DefectBank(self.bank).root)
        if self.scenes is not None:
            seen[self.scenes] = read_record(Scenes(self.scenes).root)
        if seen:
            check_leakage(runner, seen, self.allow_leakage)
            self._add_transform(runner)
        if self.contrastive is not None:
            self.contrastive.prepare(runner)

    def given(self) -> dict[str, Any]:
        """What this hook gives to a detector; see :func:`check_twins`."""
        parts: dict[str, Any] = {}
        if self.bank is not None:
            parts['bank'] = dict(bank=self.bank, **self.augment)
        if self.scenes is not None:
            parts['scenes'] = dict(
                scenes=self.scenes,
                scene_prob=self.scene_prob,
                scene_end=self.scene_end,
            )
        if self.contrastive is not None:
            parts.update(self.contrastive.given())
        return parts

    def before_train(self, runner: Runner) -> None:
        """Checks that training starts from the weights."""
        if self.contrastive is not None:
            self.contrastive.before_train(runner)

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Ends the swapping of samples when its time is over."""
        if self._swaps and runner.iter >= self.scene_end * runner.max_iters:
            for swap in self._swaps:
                swap.prob.fill_(0)
            self._swaps = []
            runner.logger.info(
                f'DDPMMoCoHook: true labels alone from iteration '
                f'{runner.iter} on (scene_end={self.scene_end:g})'
            )

    def _has_nothing(self) -> bool:
        return self.bank is self.contrastive is self.scenes is None

    def add_to(
        self, dataset: Any, log: Callable[[str], None]
    ) -> tuple[list[Any], int]:
        """:func:`insert_transform`, with what this hook gives."""
        return insert_transform(dataset, self._settings(dataset), log)

    def _settings(self, dataset: Any) -> dict[str, Any]:
        """Arguments of the transform."""
        settings: dict[str, Any] = {}
        if self.bank is not None:
            settings.update(bank=self.bank, **self.augment)
        if self.scenes is not None:
            prob = self.scene_prob
            if prob is None:
                prob = scene_share(Scenes(self.scenes), dataset)
            settings.update(scenes=self.scenes, scene_prob=prob)
        return settings

    def _add_transform(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        settings = self._settings(dataset)
        cfg = dict(type='mmdet_ddpm_moco.DiffusionDefectAugment', **settings)
        datasets, inserted = insert_transform(
            dataset, settings, runner.logger.info
        )
        if self.scene_end < 1:
            augments = filter(None, map(augment_of, datasets))
            self._swaps = [a.scene_swap for a in augments if a.scene_swap]
        # Built datasets are in the order of their configs.
        classes = [list(d.metainfo['classes']) for d in datasets]
        for hook in runner.hooks:
            pipeline = getattr(hook, 'switch_pipeline', None)
            if isinstance(pipeline, list):
                # Switched to for the last epochs, in workers that this hook
                # does not reach.
                last = dict(cfg, classes=classes[0])
                if self.scenes is not None and self.scene_end < 1:
                    last['scene_prob'] = 0.0
                inserted += insert_config(pipeline, last)
        if self.bank is not None:
            check_windows(runner, datasets)
        if not inserted:
            runner.logger.info(
                'DDPMMoCoHook: DiffusionDefectAugment is in '
                'the pipeline already, left as it is'
            )
            return
        if self.scenes is not None:
            opened = Scenes(self.scenes)
            runner.logger.info(
                f'DDPMMoCoHook: training uses {self.scenes}: '
                f'{len(opened.usable())} of {len(opened)} scenes have labels, '
                f'beside {count_defective(datasets)} labeled images with a '
                f'defect; a sample is a scene with probability '
                f'{settings["scene_prob"]:.2g}'
            )
        change_config(runner, cfg, classes)
        # Kept: closing it would close the generator that an InfiniteSampler
        # shares between its iterators.
        self._replaced = restart_workers(runner)
