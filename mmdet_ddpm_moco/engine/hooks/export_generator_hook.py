"""Exports the trained generator."""

from mmengine.dist import master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from ...synthesis.generator import save_generator
from ...utils.dist import unwrap_model
from ...utils.errors import InputError
from ..training_images import images_trained_on


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
    reads. With an ``EMAHook`` the averaged weights are exported.
    """

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Checks that the model has the classes and channels of its data."""
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
