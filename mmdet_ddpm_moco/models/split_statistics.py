"""Batch normalisation by parts of a batch, on one process."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def encode_in_groups(
    encoder: Callable[[Tensor], Tensor],
    modules: Iterable[nn.Module],
    images: Tensor,
    splits: int,
) -> Tensor:
    """Encodes a batch in groups that have their own batch statistics.

    Running statistics move as far as by one batch, and each group has the
    same share in them. Encoders without batch statistics take the batch
    whole, which is faster.

    Args:
        encoder (Callable): float (N, 3, H, W) to float (N, D).
        modules (Iterable[nn.Module]): What it runs through.
        images (Tensor): float (B, 3, H, W).
        splits (int): How many groups, at least 1; fewer where a group would
            have a single image, which has no statistics.

    Returns:
        Tensor: float (B, D), in order.
    """
    norms = [
        part
        for module in modules
        for part in module.modules()
        if isinstance(part, _BatchNorm) and part.training
    ]
    groups = max(1, min(splits, len(images) // 2)) if norms else 1
    if groups == 1:
        return encoder(images)
    encoded = []
    for index, group in enumerate(images.tensor_split(groups)):
        with _share_of_update(norms, index, groups):
            encoded.append(encoder(group))
    return torch.cat(encoded)


@contextmanager
def _share_of_update(
    norms: list[_BatchNorm], index: int, groups: int
) -> Iterator[None]:
    """Lets each of the groups have an equal share in one step's statistics.

    With momentum m, group j of g (from 0) updates with

        m_j = (m / g) / (1 - m + (j + 1) m / g)

    which leaves (1 - m) of the old running value and m / g of each group's.
    Updating g times with m would leave the last few groups alone in it.
    """
    momenta = [norm.momentum for norm in norms]
    try:
        for norm, m in zip(norms, momenta, strict=True):
            # None is a cumulative average, which is even as it is.
            if m is not None:
                share = m / groups
                norm.momentum = share / (1 - m + (index + 1) * share)
        yield
    finally:
        for norm, m in zip(norms, momenta, strict=True):
            norm.momentum = m
