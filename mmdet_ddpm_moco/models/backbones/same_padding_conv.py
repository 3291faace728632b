"""TensorFlow's "same" convolution, for few images and few threads."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# With one thread, torch leaves 1x1 convolutions of fewer images than this to
# a slow path that oneDNN has no part in.
_FAST_BATCH = 16


class SamePaddingConv2d(nn.Conv2d):
    """mmcv's ``Conv2dAdaptivePadding``, faster and with the same result.

    The output is ``ceil(H / stride)`` high and likewise wide. Zeros that are
    as many on both sides are left to the convolution instead of being
    written into a copy of the map. On a CPU with one thread, a 1x1
    convolution takes rows for images, because torch computes those of 16
    images and more with oneDNN, which is twice as fast.

    Takes the arguments of ``nn.Conv2d``; ``padding`` is ignored, as in mmcv.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0, **kwargs
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolves maps, float (B, C, H, W).

        Returns:
            torch.Tensor: Maps, float (B, out_channels, ceil(H / stride),
            ceil(W / stride)).
        """
        if self._is_better_by_rows(x):
            return self._by_rows(x)
        height, width = map(self._zeros, range(2), x.shape[2:])
        left, top = width // 2, height // 2
        if height % 2 == 0 and width % 2 == 0:
            return F.conv2d(
                x,
                self.weight,
                self.bias,
                self.stride,
                (top, left),
                self.dilation,
                self.groups,
            )
        x = F.pad(x, [left, width - left, top, height - top])
        return self._conv_forward(x, self.weight, self.bias)

    def _zeros(self, axis: int, size: int) -> int:
        """Zeros that a side of this size needs."""
        stride = self.stride[axis]
        reach = (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
        return max((-(-size // stride) - 1) * stride + reach - size, 0)

    def _is_better_by_rows(self, x: torch.Tensor) -> bool:
        return (
            x.device.type == 'cpu'
            and torch.get_num_threads() == 1
            and x.shape[0] < _FAST_BATCH <= x.shape[0] * x.shape[2]
            and self.kernel_size == self.stride == (1, 1)
            and self.groups == 1
            and x.is_contiguous(memory_format=torch.channels_last)
        )

    def _by_rows(self, x: torch.Tensor) -> torch.Tensor:
        images, _, height, width = x.shape
        # Channels last, all of these are views.
        rows = x.permute(0, 2, 3, 1).reshape(images * height, 1, width, -1)
        rows = self._conv_forward(
            rows.permute(0, 3, 1, 2), self.weight, self.bias
        )
        maps = rows.permute(0, 2, 3, 1).reshape(images, height, width, -1)
        return maps.permute(0, 3, 1, 2)
