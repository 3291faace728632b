"""Ranks start without a GPU, and end; a single process needs none of it."""

import os
import sys
import traceback
from functools import wraps

import pytest
import torch
from mmengine.dist import get_backend, get_rank, get_world_size

from mmdet_ddpm_moco.utils import dist
from mmdet_ddpm_moco.utils.cli import one_line_errors
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


def in_a_process_of_its_own(test):
    """Torch's ranks are the whole process's."""

    @pytest.mark.skipif(sys.platform != 'linux', reason='needs fork')
    @pytest.mark.skipif(torch.cuda.is_available(), reason='is about no GPU')
    @wraps(test)
    def forked():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.environ.update(
                    RANK='0',
                    LOCAL_RANK='0',
                    WORLD_SIZE='1',
                    MASTER_ADDR='127.0.0.1',
                    MASTER_PORT='0',
                )
                test()
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return forked


@in_a_process_of_its_own
def test_a_launcher_without_gpu():
    set_device = torch.cuda.set_device
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


def start_ranks():
    init_ranks('pytorch')
    assert main_process_first(lambda: 5, long_timeout_group()) == 5


@in_a_process_of_its_own
def test_a_tool_ends_its_ranks():
    """Torch aborts now and then where it has to at the interpreter's exit."""
    dist._GROUPS_CAN_END = True
    one_line_errors(start_ranks)()
    assert not torch.distributed.is_initialized()
    # Nothing keeps the other group, whose threads would go on.
    assert dist._gloo_group.cache_info().currsize == 0
    one_line_errors(start_ranks)()
    one_line_errors(lambda: None)()


@in_a_process_of_its_own
def test_ranks_stay_where_their_end_may_hang():
    dist._GROUPS_CAN_END = False
    one_line_errors(start_ranks)()
    assert torch.distributed.is_initialized()
