"""Detector settings that keep contrastive weights from being fine-tuned.

MMDetection's ResNet bases freeze the stem, the first stage and all batch
norm, which suits supervised ImageNet weights. Contrastive weights of another
domain have to adapt in all layers.
"""

from typing import Any

from mmdet.engine.hooks import MeanTeacherHook
from mmdet.models.backbones import EfficientNet
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from ..utils.dist import unwrap_model
from ..utils.errors import InputError


def freezing_settings(backbone: nn.Module) -> list[str]:
    """Describes the settings that freeze parts of a backbone of MMDetection.

    Returns:
        list[str]: A line for each: its effect and the value to use.
    """
    lines = []
    frozen = getattr(backbone, 'frozen_stages', -1)
    # 0 freezes the stem of most backbones, and nothing of an EfficientNet.
    if frozen > 0 or (
        frozen == 0 and not next(backbone.parameters()).requires_grad
    ):
        lines.append(
            f'model.backbone.frozen_stages={frozen} freezes '
            f'{"its first stages" if frozen else "the stem"}; contrastive '
            f'weights are fine-tuned with frozen_stages={_unfrozen(backbone)}'
        )
    norms = [m for m in backbone.modules() if isinstance(m, _BatchNorm)]
    if norms and getattr(backbone, 'norm_eval', False):
        lines.append(
            'model.backbone.norm_eval=True keeps the batch norm statistics '
            'of pretraining; contrastive weights are fine-tuned with '
            "norm_eval=False (and norm_cfg type 'SyncBN' on several GPUs)"
        )
    norm_cfg = getattr(backbone, 'norm_cfg', None) or {}
    if norms and not norm_cfg.get('requires_grad', True):
        lines.append(
            'model.backbone.norm_cfg.requires_grad=False freezes the affine '
            'parameters of batch norm; contrastive weights are fine-tuned '
            'with requires_grad=True'
        )
    return lines


def stale_statistics(runner: Runner) -> list[str]:
    """Describes a teacher whose batch norm statistics never change.

    Returns:
        list[str]: A line, or none.
    """
    student = getattr(unwrap_model(runner.model), 'student', None)
    moving = any(
        isinstance(module, _BatchNorm) and not getattr(part, 'norm_eval', 0)
        for part in ([] if student is None else student.children())
        for module in part.modules()
    )
    if not moving or not any(
        isinstance(hook, MeanTeacherHook) and hook.skip_buffers
        for hook in runner.hooks
    ):
        return []
    return [
        'MeanTeacherHook(skip_buffer=True) never gives the teacher batch norm '
        'statistics of this training; set skip_buffer=False'
    ]


def unfreeze_backbone(runner: Runner, backbone: Any) -> None:
    """Makes all layers of the backbone of a built model trainable.

    ``frozen_stages`` and ``norm_eval`` are set where the backbone reads them
    whenever it is put into training mode, and frozen parameters require
    gradients again. The optimizer has them already: MMEngine gives it frozen
    parameters, too.

    Raises:
        ValueError: The model is in a wrapper that cannot be rebuilt.
    """
    model = runner.model
    wrapped = is_model_wrapper(model)
    if wrapped and not isinstance(model, DistributedDataParallel):
        msg = (
            f'unfreeze=True cannot reach into {type(model).__name__}; set '
            'frozen_stages and norm_eval of model.backbone in the config'
        )
        raise InputError(msg)
    frozen = [p for p in backbone.parameters() if not p.requires_grad]
    changed = []
    for name, value in (
        ('frozen_stages', _unfrozen(backbone)),
        ('norm_eval', False),
    ):
        if getattr(backbone, name, value) != value:
            changed.append(f'{name}={value}')
            setattr(backbone, name, value)
    for parameter in frozen:
        parameter.requires_grad_(True)
    norm_cfg = getattr(backbone, 'norm_cfg', None)
    if norm_cfg and not norm_cfg.get('requires_grad', True):
        backbone.norm_cfg = dict(norm_cfg, requires_grad=True)
    if frozen and wrapped:
        # DistributedDataParallel synchronizes only those gradients that were
        # required when it was built.
        runner.model = runner.wrap_model(
            runner.cfg.get('model_wrapper_cfg'), model.module
        )
    if changed or frozen:
        count = sum(p.numel() for p in frozen)
        runner.logger.info(
            f'unfreeze=True: {", ".join(changed) or "all layers"} set for '
            f'model.backbone, {count} frozen parameters are trained'
        )
    if frozen and (runner.cfg.get('optim_wrapper') or {}).get('paramwise_cfg'):
        runner.logger.warning(
            'optim_wrapper.paramwise_cfg does not reach parameters that were '
            'frozen when the optimizer was built; set frozen_stages='
            f'{_unfrozen(backbone)} in the config for that'
        )


def _unfrozen(backbone: nn.Module) -> int:
    """The value of ``frozen_stages`` that freezes nothing."""
    return 0 if isinstance(backbone, EfficientNet) else -1
