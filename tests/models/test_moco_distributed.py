"""DatasetMoCo over two processes."""

import socket
import sys
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from tiny_moco import batch, build, samples

DATASETS = [3, 4, 3, 3, 4, 5]
IMAGES = [0, 1, 2, 3, 4, 5]
LOSS = dict(instance_weight=0.25, mask_same_dataset=True)


def steps(rank, ranks, number=2):
    """Losses of this rank and what the model's queue holds at the end."""
    # Without batch normalisation, for the ranks to equal one process.
    model = build(norm_cfg=dict(type='GN', num_groups=2), loss=LOSS)
    part = slice(rank * 6 // ranks, (rank + 1) * 6 // ranks)
    losses = []
    for seed in range(number):
        views, _ = batch(6, seed)
        data = samples(DATASETS[part], IMAGES[part])
        torch.manual_seed(seed)
        loss = model([view[part] for view in views], data, mode='loss')
        losses.append(loss['loss'].item())
    queue = {k: v for k, v in model.state_dict().items() if 'queue' in k}
    return losses, queue


def run_rank(rank, port, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'tcp://127.0.0.1:{port}',
        rank=rank,
        world_size=2,
    )
    torch.save(steps(rank, 2), Path(folder) / f'{rank}.pth')


@pytest.mark.skipif(sys.platform != 'linux', reason='needs fork')
def test_two_processes_equal_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    mp.start_processes(
        run_rank, (port, str(tmp_path)), nprocs=2, start_method='fork'
    )
    expected, expected_queue = steps(0, 1)
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    for losses in zip(expected, ranks[0][0], ranks[1][0]):
        one, first, second = losses
        assert first != second
        assert (first + second) / 2 == pytest.approx(one, abs=1e-5)
    for _, queue in ranks:
        for name, value in expected_queue.items():
            torch.testing.assert_close(queue[name], value)
