"""DatasetMoCo over several processes equals one that splits its batches."""

import socket
import sys
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from mmengine.model import MMDistributedDataParallel

from helpers.tiny_moco import batch, build, samples
from mmdet_ddpm_moco.models.split_batch_norm import split_batch_norm

DATASETS = [3, 4, 3, 3, 4, 5, 6, 4]
IMAGES = [0, 1, 2, 3, 4, 5, 6, 7]
LOSS = dict(instance_weight=0.25, mask_same_dataset=True)
NUMBER = len(IMAGES)
STEPS = 3


def steps(rank, ranks, options, splits):
    """Losses, gradients of each step, and the state at the end."""
    # In float64, for rounding not to grow from step to step.
    model = build(loss=LOSS, bn_splits=splits, **options).double()
    # One process normalizes its queries as a whole, each of several its own:
    # here they are to do the same. Of several this changes nothing.
    split_batch_norm(model.backbone, splits)
    split_batch_norm(model.neck, splits)
    run = model
    if ranks > 1:
        # As MMEngine's Runner does.
        run = MMDistributedDataParallel(model, broadcast_buffers=False)
    part = slice(rank * NUMBER // ranks, (rank + 1) * NUMBER // ranks)
    data = samples(DATASETS[part], IMAGES[part])
    optimizer = torch.optim.SGD(
        (p for p in model.parameters() if p.requires_grad), lr=0.05
    )
    losses, gradients = [], []
    for seed in range(STEPS):
        views, _ = batch(NUMBER, seed)
        views = [view[part].double() for view in views]
        torch.manual_seed(seed)  # the same permutation
        loss = run(views, data, mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        gradients.append(
            {
                name: value.grad.clone()
                for name, value in model.named_parameters()
                if value.requires_grad
            }
        )
    return losses, gradients, model.state_dict()


def run_rank(rank, port, folder, options, ranks):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'tcp://127.0.0.1:{port}',
        rank=rank,
        world_size=ranks,
    )
    torch.save(
        steps(rank, ranks, options, ranks), Path(folder) / f'{rank}.pth'
    )


@pytest.mark.skipif(sys.platform != 'linux', reason='needs fork')
@pytest.mark.parametrize(
    ('number', 'symmetric'), [(2, False), (2, True), (4, False)]
)
def test_processes_equal_one(tmp_path, number, symmetric):
    """Batch normalization, gradients and all."""
    options = dict(symmetric=symmetric, queue_len=40)
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    mp.start_processes(
        run_rank,
        (port, str(tmp_path), options, number),
        nprocs=number,
        start_method='fork',
    )
    expected, gradients, state = steps(0, 1, options, number)
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in range(number)]
    for one, *several in zip(expected, *(losses for losses, _, _ in ranks)):
        assert len(set(several)) == number
        assert sum(several) / number == pytest.approx(one, abs=1e-9)
    for _, found, _ in ranks:
        for step in range(STEPS):
            for name, value in gradients[step].items():
                assert value.abs().max() > 0
                torch.testing.assert_close(
                    found[step][name], value, rtol=1e-5, atol=1e-8
                )
    for name, value in state.items():
        found = [rank[2][name] for rank in ranks]
        if 'running' in name or 'num_batches_tracked' in name:
            continue  # each rank has those of its own images
        for other in found:
            torch.testing.assert_close(other, value, rtol=1e-6, atol=1e-8)
