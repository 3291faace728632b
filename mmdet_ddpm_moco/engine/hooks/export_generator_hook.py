"""Writes the trained generator where synthesis finds it."""

import torch
from mmengine.dist import master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...synthesis.generator import save_generator
from ...utils.dist import unwrap_model
from ...utils.errors import InputError
from ..training_images import images_trained_on


def averaged_unet(runner: Runner) -> torch.nn.Module:
    """The U-Net with averaged weights, where an ``EMAHook`` runs."""
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            return hook.ema_model.module.unet
    return unwrap_model(runner.model).unet


@HOOKS.register_module()
class ExportGeneratorHook(Hook):
    """Exports the generator after training, as a diffusers folder.

    The averaged weights are taken where an ``EMAHook`` runs. The folder is
    ``<work_dir>/generator``.
    """

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Checks that the model and its data speak of the same.

        Raises:
            ValueError: They do not.
        """
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
            provenance=images_trained_on(dataset),
        )
        runner.logger.info(f'Generator written to {folder}')
