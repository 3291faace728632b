"""The one line: a standard detector config picks up bank and backbone."""

from typing import Any

from mmdet.registry import TRANSFORMS
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ...bank.reader import DefectBank
from ...datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from ...utils.errors import InputError
from ...utils.provenance import read_record
from ..leakage import check_leakage
from ..pipelines import (
    config_pipelines,
    innermost_datasets,
    insert_config,
    loads_annotations,
    type_name,
)
from .contrastive_init_hook import ContrastiveInitHook


@HOOKS.register_module()
class DDPMMoCoHook(Hook):
    """Adds synthesized defects and contrastive weights to any detector.

    Before training it inserts :class:`DiffusionDefectAugment` after
    ``LoadAnnotations`` in every training pipeline, those a
    ``PipelineSwitchHook`` holds included, and has the backbone start from
    the given weights as :class:`ContrastiveInitHook` does. It logs what it
    changed. Both halves can stand in a config by themselves; what is there
    already is left alone. ``val()`` and ``test()`` are not touched.

    Args:
        bank (str | None): Folder of a defect bank; None for no synthesized
            defects. Defaults to None.
        checkpoint (str | None): Weights for the backbone; None to leave it
            as it is. Defaults to None.
        prob (float): See :class:`DiffusionDefectAugment`. Defaults to 0.5.
        max_windows (int): See :class:`DiffusionDefectAugment`. Defaults to
            4.
        min_coverage (float): See :class:`ContrastiveInitHook`. Defaults to
            0.95.
        unfreeze (bool): See :class:`ContrastiveInitHook`. Defaults to False.
        allow_leakage (bool): Train although validation or test images, or
            near duplicates of them, are among those that bank, generator or
            weights were made from, with a warning. Defaults to False, that
            is an error.

    Raises:
        ValueError: Neither ``bank`` nor ``checkpoint`` is given.
    """

    def __init__(
        self,
        bank: str | None = None,
        checkpoint: str | None = None,
        prob: float = 0.5,
        max_windows: int = 4,
        min_coverage: float = 0.95,
        unfreeze: bool = False,
        allow_leakage: bool = False,
    ) -> None:
        if bank is None and checkpoint is None:
            msg = (
                'DDPMMoCoHook needs a bank, a checkpoint or both; got neither'
            )
            raise InputError(msg)
        self.bank = bank
        self.augment = dict(prob=prob, max_windows=max_windows)
        self.allow_leakage = allow_leakage
        self.contrastive = (
            None
            if checkpoint is None
            else ContrastiveInitHook(
                checkpoint, min_coverage, unfreeze, allow_leakage
            )
        )

    def before_run(self, runner: Runner) -> None:
        """Inserts the transform and prepares the weights.

        Args:
            runner (Runner): Its train loop is built if it is to train.

        Raises:
            FileNotFoundError: Bank or checkpoint is not there.
            ValueError: The bank does not belong to the training set, no
                training pipeline loads annotations, the weights do not fit,
                or what is given has seen validation or test images.
        """
        # The property would build the loop, and with it the training data.
        if not isinstance(runner._train_loop, BaseLoop):
            return
        if self.bank is not None:
            seen = {self.bank: read_record(DefectBank(self.bank).root)}
            check_leakage(runner, seen, self.allow_leakage)
            self._add_bank(runner)
        if self.contrastive is not None:
            self.contrastive.before_run(runner)

    def before_train(self, runner: Runner) -> None:
        """Checks that training starts from the weights."""
        if self.contrastive is not None:
            self.contrastive.before_train(runner)

    def _add_bank(self, runner: Runner) -> None:
        cfg = dict(
            type='mmdet_ddpm_moco.DiffusionDefectAugment',
            bank=self.bank,
            **self.augment,
        )
        datasets = [
            d
            for d in innermost_datasets(runner.train_dataloader.dataset)
            if loads_annotations(d) is not None
        ]
        if not datasets:
            msg = (
                'no training pipeline has LoadAnnotations, after which '
                'DDPMMoCoHook inserts DiffusionDefectAugment; add it'
            )
            raise InputError(msg)
        inserted = sum(self._insert(d, cfg, runner) for d in datasets)
        # Configs and built datasets stand in the same order.
        classes = [list(d.metainfo['classes']) for d in datasets]
        for hook in runner.hooks:
            pipeline = getattr(hook, 'switch_pipeline', None)
            if isinstance(pipeline, list):
                inserted += insert_config(
                    pipeline, dict(cfg, classes=classes[0])
                )
        if not inserted:
            runner.logger.info(
                'DDPMMoCoHook: DiffusionDefectAugment is in '
                'the pipeline already, left as it is'
            )
            return
        windows, hosts, images = _usable(self.bank, datasets)
        if not windows:
            msg = (
                f'no window of the defect bank {self.bank} lies on an image '
                'of the training set; was it made from other images, or with '
                'other file names?'
            )
            raise InputError(msg)
        usable, total = len(windows), len(DefectBank(self.bank))
        runner.logger.info(
            f'DDPMMoCoHook: training uses {self.bank}: {usable} of {total} '
            f'windows lie on {hosts} of its {images} images'
        )
        if usable < total:
            runner.logger.warning(
                f'{total - usable} windows lie on images that the training '
                'set lacks; filter_empty_gt=True in its filter_cfg, which '
                'drops defect-free images, may be why'
            )
        self._change_config(runner, cfg, classes)
        self._restart_workers(runner)

    @staticmethod
    def _insert(dataset: Any, cfg: dict, runner: Runner) -> bool:
        transforms = dataset.pipeline.transforms
        if any(isinstance(t, DiffusionDefectAugment) for t in transforms):
            return False
        transform = TRANSFORMS.build(
            dict(cfg, classes=dataset.metainfo['classes'])
        )
        transforms.insert(loads_annotations(dataset) + 1, transform)
        runner.logger.info(
            f'DDPMMoCoHook: inserted {transform} after LoadAnnotations of '
            f'the training {type(dataset).__name__}'
        )
        return True

    @staticmethod
    def _change_config(
        runner: Runner, cfg: dict, classes: list[list[str]]
    ) -> None:
        """Says in the dumped config what was run."""
        order = iter(classes)
        for pipeline in config_pipelines(runner.cfg.get('train_dataloader')):
            if any(type_name(t) == 'LoadAnnotations' for t in pipeline):
                own = next(order, classes[0])
                insert_config(pipeline, dict(cfg, classes=own))
        for pipeline in config_pipelines(runner.cfg.get('custom_hooks')):
            insert_config(pipeline, dict(cfg, classes=classes[0]))
        runner.dump_config()
        runner.message_hub.update_info('cfg', runner.cfg.pretty_text)

    def _restart_workers(self, runner: Runner) -> None:
        """Lets workers that already run see the new pipeline.

        MMEngine before 0.10.8 calls ``iter()`` on the loader when it builds
        an iteration-based loop.
        """
        iterator = getattr(runner.train_loop, 'dataloader_iterator', None)
        if getattr(iterator, '_iterator', None) is None:
            return
        # Kept: closing it would close the generator that an InfiniteSampler
        # shares between its iterators.
        self._replaced = iterator
        runner.train_dataloader._iterator = None
        runner.train_loop.dataloader_iterator = type(iterator)(
            runner.train_dataloader
        )


def _usable(bank: str, datasets: list[Any]) -> tuple[set[int], int, int]:
    """Windows that lie on training images; how many images, of how many."""
    opened = DefectBank(bank)
    windows, hosts, images = set(), 0, 0
    for dataset in datasets:
        images += len(dataset)
        for index in range(len(dataset)):
            found = opened.windows_of(dataset.get_data_info(index)['img_path'])
            windows.update(window.number for window in found)
            hosts += bool(found)
    return windows, hosts, images
