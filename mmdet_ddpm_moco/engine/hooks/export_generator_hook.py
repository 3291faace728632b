"""Exports the trained generator."""

from typing import Any

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from ...synthesis.generator import save_generator
from ...utils.dist import unwrap_model
from ...utils.errors import InputError
from ...utils.provenance import KEY, Record, merge_records
from ..training_images import images_seen_before, images_trained_on


def averaged_unet(runner: Runner) -> nn.Module:
    """The U-Net, with averaged weights where there is an ``EMAHook``."""
    model = unwrap_model(runner.model)
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            model = hook.ema_model.module
    unet = model.unet
    assert isinstance(unet, nn.Module)
    return unet


@HOOKS.register_module()
class ExportGeneratorHook(Hook):
    """Exports the generator after training, as a diffusers folder.

    The folder is ``<work_dir>/generator``, which ``tools/synthesize.py``
    reads. With an ``EMAHook`` the averaged weights are exported. Its record
    is of the training images and of those that the weights were made from
    that the run starts from; training checkpoints have it in ``meta``.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._images_seen: Record | None = None

    def before_train(self, runner: Runner) -> None:
        """Checks classes and channels, and records the images."""
        dataset = runner.train_dataloader.dataset
        model = unwrap_model(runner.model)
        if model.num_classes != len(dataset.data.classes):
            msg = (
                f'the model has num_classes={model.num_classes}, but '
                f'{dataset.ann_file} has {len(dataset.data.classes)} '
                'categories; set model.num_classes to that'
            )
            raise InputError(msg)
        if model.channels != dataset.data.channels:
            msg = (
                f'the model has channels={model.channels}, its training '
                f'windows channels={dataset.data.channels}; set both the same'
            )
            raise InputError(msg)
        if is_main_process():
            self._images_seen = merge_records(
                images_trained_on(dataset), images_seen_before(runner.cfg)
            )

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Adds the record to a training checkpoint."""
        checkpoint['meta'][KEY] = self._images_seen

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Writes ``<work_dir>/generator``."""
        dataset = runner.train_dataloader.dataset
        folder = save_generator(
            f'{runner.work_dir}/generator',
            averaged_unet(runner),
            unwrap_model(runner.model).scheduler,
            classes=dataset.data.classes,
            window=dataset.window,
            provenance=self._images_seen,
        )
        runner.logger.info(f'Generator written to {folder}')
