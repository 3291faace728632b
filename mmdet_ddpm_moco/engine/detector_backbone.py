"""The backbone inside a runner that trains a detector."""

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def bare_detector(runner: Runner) -> nn.Module:
    """The model without a wrapper such as DistributedDataParallel."""
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def backbone_of(runner: Runner) -> nn.Module:
    """The model's ``backbone``.

    Args:
        runner (Runner): Of a detector.

    Returns:
        nn.Module: The backbone.

    Raises:
        ValueError: The model has none.
    """
    model = bare_detector(runner)
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, nn.Module):
        msg = (
            f'{type(model).__name__} has no `backbone`; ContrastiveInitHook '
            'needs a model with one, such as the detectors of MMDetection'
        )
        raise ValueError(msg)
    return backbone


def what_replaced_weights(runner: Runner) -> str:
    """Says what loads over a backbone's weights, and what to do.

    Args:
        runner (Runner): About to train; its weights are loaded.

    Returns:
        str: A clause for an error message.
    """
    model = bare_detector(runner)
    suspects = []
    if runner._load_from is not None and runner._has_loaded:
        suspects.append(
            f'load_from={runner._load_from!r} (resume=True would continue a '
            'run)'
        )
    init_cfg = getattr(model, 'init_cfg', None) or []
    suspects += [
        f'model.init_cfg, which loads {cfg["checkpoint"]!r} into the whole '
        f'{type(model).__name__}'
        for cfg in ([init_cfg] if isinstance(init_cfg, dict) else init_cfg)
        if 'checkpoint' in cfg
    ]
    if suspects:
        return ' or '.join(suspects) + '; remove it, or this hook'
    return (
        f'something else: {type(backbone_of(runner)).__name__} does not '
        f'follow its init_cfg, {type(model).__name__} was initialised before '
        'the run, or another hook loaded weights'
    )
