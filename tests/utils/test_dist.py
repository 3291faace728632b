"""Ranks start without a GPU; a single process needs none of it."""

import os
import sys

import pytest
import torch
from mmengine.dist import get_backend, get_rank, get_world_size

from mmdet_ddpm_moco.utils.dist import (
    all_ranks,
    init_ranks,
    long_timeout_group,
    main_process_first,
)


def test_without_a_launcher_nothing_is_started():
    init_ranks('none', backend='nccl')
    assert not torch.distributed.is_initialized()
    group = long_timeout_group()
    assert group is None
    assert (
        all_ranks(lambda: 3, group)
        == main_process_first(lambda: 3, group)
        == 3
    )


@pytest.mark.parametrize('run', [all_ranks, main_process_first])
def test_an_error_of_a_single_process_is_its_own(run):
    error = ValueError('mine')

    def fail():
        raise error

    with pytest.raises(ValueError) as caught:
        run(fail)
    assert caught.value is error


@pytest.mark.skipif(sys.platform != 'linux', reason='needs fork')
@pytest.mark.skipif(torch.cuda.is_available(), reason='is about no GPU')
def test_a_launcher_without_gpu(tmp_path):
    """In a process of its own: torch's ranks are the whole process's."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            set_device = torch.cuda.set_device
            os.environ.update(
                RANK='0',
                LOCAL_RANK='0',
                WORLD_SIZE='1',
                MASTER_ADDR='127.0.0.1',
                MASTER_PORT='0',
            )
            init_ranks('pytorch', backend='nccl')
            init_ranks('pytorch', backend='nccl')
            assert (get_rank(), get_world_size()) == (0, 1)
            assert get_backend() == 'gloo'
            assert torch.cuda.set_device is set_device
            group = long_timeout_group()
            assert main_process_first(lambda: 5, group) == 5
            # It outlives its use: torch might hang while it ends one.
            assert long_timeout_group() is group
            torch.distributed.destroy_process_group()
            assert long_timeout_group() is None
            init_ranks('pytorch')
            other = long_timeout_group()
            assert other is not group
            assert main_process_first(lambda: 6, other) == 6
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
