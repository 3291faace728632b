"""Weights for a detector's backbone, read from any checkpoint."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from mmdet_ddpm_moco.datasets.images_seen import KEY, Record
from mmdet_ddpm_moco.engine.backbone_file import images_seen_by, record_in
from mmdet_ddpm_moco.engine.backbone_keys import map_backbone_keys
from mmdet_ddpm_moco.engine.backbone_report import BackboneReport
from mmdet_ddpm_moco.engine.checkpoints import load_weights_only, weights_of


class BackboneSource(NamedTuple):
    """What a checkpoint has for a backbone.

    Attributes:
        weights (dict[str, Tensor]): By the backbone's own names.
        report (BackboneReport): What became of each weight.
        images_seen (dict | None): Record of the images that the weights
            were trained on; None if the checkpoint carries none.
    """

    weights: dict[str, Tensor]
    report: BackboneReport
    images_seen: Record | None


def read_backbone(
    checkpoint: str | Path, backbone: nn.Module, min_coverage: float
) -> BackboneSource:
    """Reads the weights of a backbone.

    Args:
        checkpoint (str | Path): A local file.
        backbone (nn.Module): What they are for. It is not changed.
        min_coverage (float): See :meth:`BackboneReport.fits`.

    Returns:
        BackboneSource: The weights, finite all of them.

    Raises:
        FileNotFoundError: The checkpoint is not there.
        ValueError: It holds code, does not fit, or holds values that are no
            numbers.
    """
    loaded = load_weights_only(checkpoint)
    source = weights_of(loaded, checkpoint)
    weights, report = map_backbone_keys(source, backbone.state_dict())
    if not report.fits(min_coverage):
        msg = (
            f'{checkpoint} does not fit the backbone '
            f'{type(backbone).__name__}: coverage {report.coverage:.1%}, at '
            f'least {min_coverage:.0%} needed; {report.likely_cause()}. '
            'Give weights of the same architecture'
        )
        raise ValueError(msg)
    broken = [k for k, v in weights.items() if not v.isfinite().all()]
    if broken:
        msg = (
            f'{checkpoint} holds NaN or infinity in {broken[0]}: '
            'its training diverged; give an earlier checkpoint'
        )
        raise ValueError(msg)
    seen = images_seen_by(record_in(loaded), checkpoint)
    return BackboneSource(weights, report, seen)


def init_file(source: BackboneSource) -> dict[str, Any]:
    """The contents of a file that any backbone's ``Pretrained`` loads.

    Args:
        source (BackboneSource): From :func:`read_backbone`.

    Returns:
        dict: ``state_dict`` and, where it is known, ``meta`` with the
        images seen.
    """
    # Backbones with an init_weights of their own expect one or the other:
    # PVT plain names, Swin only `backbone.`. Both share their storage.
    weights = {key: value.clone() for key, value in source.weights.items()}
    prefixed = {f'backbone.{key}': value for key, value in weights.items()}
    made = {'state_dict': {**weights, **prefixed}}
    if source.images_seen is not None:
        made['meta'] = {KEY: source.images_seen}
    return made
