"""Ranks start without a GPU; a single process needs none of it."""

import os
import sys

import pytest
import torch
from mmengine.dist import get_backend, get_rank, get_world_size

from mmdet_ddpm_moco.utils.dist import (
    on_main,
    patient_ranks,
    start_ranks,
    together,
)


def test_without_a_launcher_nothing_is_started():
    start_ranks('none', backend='nccl')
    assert not torch.distributed.is_initialized()
    with patient_ranks() as group:
        assert group is None
        assert together(lambda: 3, group) == on_main(lambda: 3, group) == 3


@pytest.mark.parametrize('run', [together, on_main])
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
            start_ranks('pytorch', backend='nccl')
            start_ranks('pytorch', backend='nccl')
            assert (get_rank(), get_world_size()) == (0, 1)
            assert get_backend() == 'gloo'
            assert torch.cuda.set_device is set_device
            with patient_ranks() as group:
                assert on_main(lambda: 5, group) == 5
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
