"""Detector settings that fight self-supervised weights.

MMDetection's ResNet bases freeze the stem, the first stage and all batch
norm, which suits weights of supervised ImageNet training. Contrastive
weights of another domain need to move.
"""

from mmdet.models.backbones import EfficientNet
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from ..utils.errors import InputError


def settings_that_hold_back(backbone: nn.Module) -> list[str]:
    """Names the settings of a backbone that keep part of it from training.

    Args:
        backbone (nn.Module): A backbone of MMDetection. It is not changed.

    Returns:
        list[str]: One line for each such setting: what it does and the value
        to use.
    """
    lines = []
    frozen = getattr(backbone, 'frozen_stages', -1)
    # 0 freezes the stem of most backbones, and nothing of an EfficientNet.
    if frozen > 0 or (
        frozen == 0 and not next(backbone.parameters()).requires_grad
    ):
        part = 'its first stages' if frozen else 'the stem'
        lines.append(
            f'model.backbone.frozen_stages={frozen} keeps {part} from '
            'learning; contrastive weights are fine-tuned with '
            f'frozen_stages={_free(backbone)}'
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
            'model.backbone.norm_cfg.requires_grad=False keeps the scales '
            'of batch norm from learning; contrastive weights are fine-tuned '
            'with requires_grad=True'
        )
    return lines


def unfreeze_in(runner: Runner) -> None:
    """Has a built model train its whole backbone.

    ``frozen_stages`` and ``norm_eval`` are set where the backbone reads them
    whenever it is put into training mode, and parameters that were frozen
    when it was built get their gradients back. The optimizer has them
    already: it is given frozen parameters, too.

    Args:
        runner (Runner): About to train a model with a ``backbone``.

    Raises:
        ValueError: Its model is wrapped in something that cannot be told.
    """
    model = runner.model
    wrapped = is_model_wrapper(model)
    if wrapped and not isinstance(model, DistributedDataParallel):
        msg = (
            f'unfreeze=True cannot reach into {type(model).__name__}; set '
            'frozen_stages and norm_eval of model.backbone in the config'
        )
        raise InputError(msg)
    backbone = (model.module if wrapped else model).backbone
    frozen = [p for p in backbone.parameters() if not p.requires_grad]
    changed = []
    for name, free in (
        ('frozen_stages', _free(backbone)),
        ('norm_eval', False),
    ):
        if getattr(backbone, name, free) != free:
            changed.append(f'{name}={free}')
            setattr(backbone, name, free)
    for parameter in frozen:
        parameter.requires_grad_(True)
    norm_cfg = getattr(backbone, 'norm_cfg', None)
    if norm_cfg and not norm_cfg.get('requires_grad', True):
        backbone.norm_cfg = dict(norm_cfg, requires_grad=True)
    if frozen and wrapped:
        # It exchanges the gradients of those parameters alone that had one
        # when it was made.
        runner.model = runner.wrap_model(
            runner.cfg.get('model_wrapper_cfg'), model.module
        )
    if changed or frozen:
        count = sum(p.numel() for p in frozen)
        runner.logger.info(
            f'unfreeze=True: {", ".join(changed) or "all layers"} set for '
            f'model.backbone, {count} frozen parameters train now'
        )
    if frozen and (runner.cfg.get('optim_wrapper') or {}).get('paramwise_cfg'):
        runner.logger.warning(
            'optim_wrapper.paramwise_cfg does not reach parameters that were '
            'frozen when the optimizer was built; set frozen_stages='
            f'{_free(backbone)} in the config for that'
        )


def _free(backbone: nn.Module) -> int:
    """The value of ``frozen_stages`` that freezes nothing."""
    return 0 if isinstance(backbone, EfficientNet) else -1
