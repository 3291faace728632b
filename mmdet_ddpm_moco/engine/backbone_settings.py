"""Detector settings that fight self-supervised weights.

MMDetection's ResNet bases freeze the stem, the first stage and all batch
norm, which suits weights of supervised ImageNet training. Contrastive
weights of another domain need to move.
"""

from mmdet.models.backbones import EfficientNet
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


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
        free = 0 if isinstance(backbone, EfficientNet) else -1
        lines.append(
            f'model.backbone.frozen_stages={frozen} keeps {part} from '
            'learning; contrastive weights are fine-tuned with '
            f'frozen_stages={free}'
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
