"""What is in a ``backbone.pth``, the product of a contrastive run.

Weights of the query backbone under ``backbone.``, and a record of where they
come from in plain types, so that the file loads as weights only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mmdet_ddpm_moco.datasets.images_seen import KEY, Record, checked_record

PREFIX = 'backbone.'

# Where training checkpoints keep the record, inside their `meta`.
RECORD = 'backbone_record'


def backbone_file(
    weights: Mapping[str, Tensor], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Builds the contents of a ``backbone.pth``.

    Args:
        weights (Mapping[str, Tensor]): A state dict; its entries under
            ``backbone.`` are taken, all others left out.
        record (Mapping[str, Any]): Becomes ``meta``, in plain types.

    Returns:
        dict: ``state_dict`` (tensors on the CPU that own their memory) and
        ``meta``.

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
        raise ValueError(msg)
    return {'state_dict': state_dict, 'meta': plain(record)}


def record_in(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Finds the record in a checkpoint.

    Args:
        checkpoint (Mapping): A ``backbone.pth`` or a training checkpoint of
            a contrastive run.

    Returns:
        dict | None: None where it carries none.
    """
    meta = checkpoint.get('meta')
    if not isinstance(meta, Mapping):
        return None
    # backbone.pth is nothing but the record; a training checkpoint's own
    # meta also tells dates, hosts and paths.
    return meta if 'ann_files' in meta or KEY in meta else meta.get(RECORD)


def images_seen_by(
    record: Mapping[str, Any] | None, where: str | Path
) -> Record | None:
    """The images that a backbone was trained on.

    Args:
        record (Mapping | None): From :func:`record_in`.
        where (str | Path): The file, for the message.

    Returns:
        dict | None: Their record; None where it was not kept.

    Raises:
        ValueError: It is damaged.
    """
    found = None if record is None else record.get(KEY)
    return None if found is None else checked_record(found, where)


def plain(value: Any) -> Any:
    """Turns a piece of a config into plain types.

    Args:
        value (Any): Nested mappings and sequences, also of MMEngine's.

    Returns:
        Any: dict, list, str, int, float, bool and None, nested; anything
        else as its text, classes and functions as their dotted name.
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
