"""The generator inside a runner that trains it."""

import torch
from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def bare_model(runner: Runner) -> torch.nn.Module:
    """The model without DistributedDataParallel around it."""
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def averaged_unet(runner: Runner) -> torch.nn.Module:
    """The U-Net with averaged weights, where an ``EMAHook`` runs."""
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            return hook.ema_model.module.unet
    return bare_model(runner).unet
