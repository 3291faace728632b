"""What contrastive backbones tell apart, side by side."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from ..engine.backbone_source import read_backbone
from ..engine.contrastive_probe import LabelledProbe

START = 'as it starts'


def backbone_accuracies(
    cfg: Config,
    backbones: Sequence[str | Path],
    labelled: dict,
    k: int = 10,
) -> tuple[dict[str, float], LabelledProbe]:
    """Asks backbones for the kind of labelled windows.

    Args:
        cfg (Config): Of contrastive training, of the same architecture.
        backbones (Sequence[str | Path]): Files of weights, as
            :class:`ContrastiveInitHook` takes them.
        labelled (dict): As in :class:`ContrastiveProgressHook`.
        k (int): Neighbours that vote, at least 1. Defaults to 10.

    Returns:
        tuple[dict[str, float], LabelledProbe]: Balanced accuracy in [0, 1]
        of the config's own start and of each file; and what was asked.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Weights do not fit, or an argument is out of range.
    """
    if k < 1:
        msg = f'k must be at least 1, got {k}'
        raise ValueError(msg)
    probe = LabelledProbe(labelled, view_size(cfg))
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        # The same start, should it be drawn at random.
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.init_weights()
    found = {START: probe.accuracy(model, k)}
    for file in backbones:
        weights = read_backbone(file, model.backbone, 0.95).weights
        model.backbone.load_state_dict(weights, strict=False)
        found[str(file)] = probe.accuracy(model, k)
    return found, probe


def view_size(cfg: Config) -> tuple[int, int]:
    """``(height, width)`` in pixels of the views that a config trains on.

    Raises:
        ValueError: No transform of its pipeline says so.
    """
    for transform in cfg.train_dataloader.dataset.get('pipeline', ()):
        scale = transform.get('scale')
        if scale is not None:
            return (scale, scale) if isinstance(scale, int) else tuple(scale)
    msg = (
        f'{cfg.filename} names no size of its views: give a config of '
        'configs/moco'
    )
    raise ValueError(msg)
