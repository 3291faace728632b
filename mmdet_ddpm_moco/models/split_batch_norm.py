"""Batch normalization by the statistics of parts of a batch.

For the key encoder of MoCo on one process, as in the MoCo authors' CIFAR-10
demo; it replaces the shuffling of arXiv 1911.05722, section 3.3. Encoding one
part after the other would be equivalent, but would read, and under autocast
convert, all weights for each.
"""

from typing import Any

import torch
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SplitBatchNorm(_BatchNorm):
    """Normalizes consecutive parts of a batch, each by its own statistics.

    Only in training, and only on one process: several process parts anyway.

    Args:
        num_features (int): Channels.
        splits (int): Number of parts, each of at least two samples.
            Defaults to 8.
        **kwargs: Those of ``torch.nn.BatchNorm2d``.
    """

    def __init__(
        self, num_features: int, splits: int = 8, **kwargs: Any
    ) -> None:
        super().__init__(num_features, **kwargs)
        self.splits = splits

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalizes float (N, C, ...)."""
        # A part of one sample has no statistics.
        number = min(self.splits, len(inputs) // 2)
        if not self.training or number < 2 or get_world_size() > 1:
            return super().forward(inputs)
        parts = inputs.tensor_split(number)
        if (
            torch.is_grad_enabled()
            or self.num_batches_tracked is None
            or self.momentum is None
            or not self.affine
            or self.weight.dtype != torch.float32
        ):
            normalize = super().forward
            return torch.cat([normalize(part) for part in parts])
        # The same without the copy of torch.cat. Of tensors in any other order
        # torch's kernel for CPUs reads wrong numbers.
        if not (inputs.is_contiguous() or _is_channels_last(inputs)):
            inputs = inputs.contiguous()
            parts = inputs.tensor_split(number)
        self.num_batches_tracked.add_(number)
        outputs = torch.empty_like(inputs)
        unused = torch.empty_like(self.weight), torch.empty_like(self.weight)
        for part, output in zip(parts, outputs.tensor_split(number)):
            torch.native_batch_norm(
                part,
                self.weight,
                self.bias,
                self.running_mean,
                self.running_var,
                True,
                self.momentum,
                self.eps,
                out=(output, *unused),
            )
        return outputs

    def _check_input_dim(self, inputs: Tensor) -> None:
        """Accepts any number of dimensions."""

    def extra_repr(self) -> str:
        """Options, for printing the module."""
        return f'{super().extra_repr()}, splits={self.splits}'


def _is_channels_last(inputs: Tensor) -> bool:
    return inputs.dim() == 4 and inputs.is_contiguous(
        memory_format=torch.channels_last
    )


def split_batch_norm(module: nn.Module, splits: int) -> nn.Module:
    """Replaces batch normalization by :class:`SplitBatchNorm`.

    Args:
        module (nn.Module): Changed in place. Parameters and buffers stay the
            same tensors under the same names.
        splits (int): Parts of a batch.

    Returns:
        nn.Module: The module, or its replacement.
    """
    for name, child in module.named_children():
        setattr(module, name, split_batch_norm(child, splits))
    if not isinstance(module, _BatchNorm):
        return module
    split = SplitBatchNorm(
        module.num_features,
        splits,
        eps=module.eps,
        momentum=module.momentum,
        affine=module.affine,
        track_running_stats=module.track_running_stats,
    )
    split._parameters.update(module._parameters)
    split._buffers.update(module._buffers)
    return split.train(module.training)
