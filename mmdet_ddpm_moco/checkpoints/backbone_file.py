"""Backbone files: writing ``backbone.pth``, and reading any checkpoint.

A ``backbone.pth``, the product of a contrastive run, holds the weights of the
query backbone under ``backbone.`` as ``state_dict``, and a record of where
they come from as ``meta``, in plain types, so that it loads as weights only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from ..utils.errors import InputError
from ..utils.provenance import KEY, Record, checked_record
from .keys import BackboneReport, map_backbone_keys
from .weights_only import load_weights_only, weights_of

PREFIX = 'backbone.'

# Where training checkpoints keep the record, inside their `meta`.
RECORD = 'backbone_record'


def backbone_file(
    weights: Mapping[str, Tensor], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Builds the contents of a ``backbone.pth``.

    The entries of a state dict under ``backbone.`` are copied to the CPU;
    the record becomes ``meta``.

    Raises:
        ValueError: There is no entry under ``backbone.``.
    """
    state_dict = {
        key: value.detach().cpu().clone()
        for key, value in weights.items()
        if key.startswith(PREFIX)
    }
    if not state_dict:
        msg = (
            f'no weights under {PREFIX!r}, only such as '
            f'{", ".join(list(weights)[:3])}: this is not a model with a '
            'backbone'
        )
        raise InputError(msg)
    return {'state_dict': state_dict, 'meta': plain(record)}


def record_in(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record in a ``backbone.pth`` or a training checkpoint, if any."""
    meta = checkpoint.get('meta')
    if not isinstance(meta, Mapping):
        return None
    # In backbone.pth, meta is the record alone; in a training checkpoint it
    # also has dates, hosts and paths.
    is_record = 'ann_files' in meta or KEY in meta
    return dict(meta) if is_record else meta.get(RECORD)


def images_seen_by(
    checkpoint: Mapping[str, Any], where: str | Path
) -> Record | None:
    """The images in the record of a checkpoint from ``where``, if any.

    Raises:
        ValueError: The record is damaged.
    """
    found = (record_in(checkpoint) or {}).get(KEY)
    return None if found is None else checked_record(found, where)


def plain(value: Any) -> Any:
    """Turns a part of a config into nested plain types.

    Classes and functions become their dotted name, other objects their text.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, '__qualname__'):
        return f'{value.__module__}.{value.__qualname__}'
    return str(value)


class BackboneSource(NamedTuple):
    """The weights of a checkpoint that fit a backbone."""

    weights: dict[str, Tensor]  # by the backbone's own names
    report: BackboneReport  # which weights were loaded
    images_seen: Record | None  # that the weights were trained on, if kept


def read_backbone(
    checkpoint: str | Path, backbone: nn.Module, min_coverage: float
) -> BackboneSource:
    """Reads the weights of a local file that fit a backbone.

    The backbone is not changed. ``min_coverage``: see
    :meth:`BackboneReport.fits`.

    Raises:
        FileNotFoundError: The checkpoint is missing.
        ValueError: It holds code, does not fit, or has NaN or infinity.
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
        raise InputError(msg)
    broken = [k for k, v in weights.items() if not v.isfinite().all()]
    if broken:
        msg = (
            f'{checkpoint} holds NaN or infinity in {broken[0]}: '
            'its training diverged; give an earlier checkpoint'
        )
        raise InputError(msg)
    seen = images_seen_by(loaded, checkpoint)
    return BackboneSource(weights, report, seen)


def init_file(source: BackboneSource) -> dict[str, Any]:
    """The contents of a file that any backbone's ``Pretrained`` loads."""
    # Backbones with an init_weights of their own expect one or the other:
    # PVT plain names, Swin only `backbone.`. Both share their storage.
    weights = {key: value.clone() for key, value in source.weights.items()}
    prefixed = {f'backbone.{key}': value for key, value in weights.items()}
    contents: dict[str, Any] = {'state_dict': {**weights, **prefixed}}
    if source.images_seen is not None:
        contents['meta'] = {KEY: source.images_seen}
    return contents
