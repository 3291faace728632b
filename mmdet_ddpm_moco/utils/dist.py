"""Distributed runs: how ranks start, wait for each other and fail.

In addition to MMEngine's ``dist``: ranks on machines without a GPU, waits of
any length, and an error on one rank that ends all of them and is printed
once.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

import torch
from mmengine.device import get_device
from mmengine.dist import (
    all_gather_object,
    broadcast_object_list,
    get_default_group,
    get_rank,
    init_dist,
    is_distributed,
    is_main_process,
)
from mmengine.model import is_model_wrapper
from torch import nn
from torch.torch_version import TorchVersion

T = TypeVar('T')

# A rank that died closes its connections, which ends the wait at once.
LONG_TIMEOUT = timedelta(days=7)

# Before 2.8, torch holds the interpreter while it waits for the threads of a
# group that ends. One that has just ended a collective needs the interpreter,
# to free its tensors: a deadlock.
_GROUPS_CAN_END = TorchVersion(torch.__version__) >= '2.8'


def init_ranks(launcher: str, **dist_cfg: Any) -> None:
    """Initializes ranks as MMEngine's ``init_dist``, without a GPU too.

    On machines without an accelerator the backend is gloo.

    Args:
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        **dist_cfg: ``env_cfg.dist_cfg`` of a config; NCCL without it.
    """
    if launcher == 'none' or is_distributed():
        return
    if get_device() != 'cpu':
        init_dist(launcher, **{'backend': 'nccl', **dist_cfg})
        return
    # MMEngine gives each rank a GPU without asking whether there is one.
    set_device = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        init_dist(launcher, **{**dist_cfg, 'backend': 'gloo'})
    finally:
        torch.cuda.set_device = set_device


def end_ranks() -> None:
    """Ends the groups of this process, which has nothing more to send.

    Without it the threads of gloo live until the interpreter ends, and abort
    a process there now and then, after all its work. Does nothing without
    ranks, and before torch 2.8, where it could hang.
    """
    if _GROUPS_CAN_END and is_distributed():
        _gloo_group.cache_clear()
        torch.distributed.destroy_process_group()


def long_timeout_group() -> Any:
    """A group of all ranks that may wait for each other for days.

    NCCL times out after ten minutes, and keeps a GPU busy while it waits.
    All ranks have to call it.

    Returns:
        ProcessGroup | None: For MMEngine's ``dist``; None for a single one.
    """
    return _gloo_group(get_default_group()) if is_distributed() else None


@lru_cache(maxsize=1)
def _gloo_group(default: Any) -> Any:
    """The group of the ranks of this default group.

    It is kept for the next one who asks, and because its end may hang: see
    ``_GROUPS_CAN_END``.
    """
    return torch.distributed.new_group(backend='gloo', timeout=LONG_TIMEOUT)


def all_ranks(function: Callable[[], T], group: Any = None) -> T:
    """Runs a function on each rank; an error on any of them ends them all.

    Returns its value on this rank. ``group`` are the ranks, by default all.

    Raises:
        Exception: The function's own, on the first rank where it failed.
        SystemExit: On the others, since that one reports the error.
    """
    value: list[T] = []
    error = None
    try:
        value.append(function())
    except Exception as caught:
        error = caught
    failed = all_gather_object(error is not None, group)
    if True not in failed:
        return value[0]
    if error is not None and get_rank(group) == failed.index(True):
        raise error
    raise SystemExit(1)


def main_process_first(function: Callable[[], T], group: Any = None) -> T:
    """Runs a function on the main process and returns its value on all ranks.

    The value is pickled. ``group`` are the ranks, by default all.

    Raises:
        Exception: The function's own, on the main process.
        SystemExit: Then, on the others.
    """
    value: list[Any] = [
        all_ranks(lambda: function() if is_main_process() else None, group)
    ]
    broadcast_object_list(value, group=group)
    return value[0]


def unwrap_model(model: nn.Module) -> nn.Module:
    """The model without a wrapper such as DistributedDataParallel."""
    if not is_model_wrapper(model):
        return model
    assert isinstance(model.module, nn.Module)
    return model.module
