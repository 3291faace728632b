"""Gradients of ranks, each with its part of a batch."""

import torch
from mmengine.model import MMDistributedDataParallel

from helpers.tiny_ranks import Ranks


def parts_of(sizes):
    """Slices of these sizes, one after the other."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [
        slice(end - size, end) for end, size in zip(ends, sizes, strict=True)
    ]


def gradients(model, loss_of, part):
    """Gradients by name; ``loss_of(model, part)`` gives the loss."""
    model.zero_grad()
    loss_of(model, part).backward()
    return {
        name.removeprefix('module.'): value.grad.clone()
        for name, value in model.named_parameters()
        if value.grad is not None
    }


def gradients_of_ranks(build, loss_of, sizes, folder):
    """What DistributedDataParallel gives, wrapped as MMEngine's Runner does.

    Args:
        build (Callable): The model, the same on each rank.
        loss_of (Callable): The loss of the model and a slice of the batch.
        sizes (list[int]): Samples of each rank.
        folder (Path): For the ranks' logs.

    Returns:
        list[dict]: Gradients by name, of each rank.
    """

    def job():
        rank = torch.distributed.get_rank()
        model = MMDistributedDataParallel(build(), broadcast_buffers=False)
        found = gradients(model, loss_of, parts_of(sizes)[rank])
        torch.save(found, folder / f'gradients{rank}.pth')

    ranks = Ranks(job, folder, len(sizes))
    assert ranks.end() == [0] * len(sizes), ranks.printed()
    return [
        torch.load(folder / f'gradients{rank}.pth')
        for rank in range(len(sizes))
    ]


def mean_of(several):
    """Mean of gradients by name."""
    return {
        name: torch.stack([one[name] for one in several]).mean(0)
        for name in several[0]
    }


def same(found, expected, rtol=1e-4, atol=1e-6):
    """Asserts that gradients are the same, and not all 0."""
    assert found.keys() == expected.keys()
    assert any(value.abs().max() > 1e-4 for value in expected.values())
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name],
            value,
            rtol=rtol,
            atol=atol,
            msg=lambda text, name=name: f'{name}: {text}',
        )
