"""The U-Net's forward: its share of sampling, formats and layouts."""

import copy
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.speed.table import Row
from benchmarks.speed.timing import median_seconds, synchronize
from benchmarks.speed.windows import WindowBatch
from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    normalize,
)
from mmdet_ddpm_moco.models.conditioning import masked_image

PART = 'unet'
PLAIN = 'plain fp32'


def unet_arguments(batch: WindowBatch, timestep: int) -> tuple:
    """What the U-Net is shown in the first step of sampling.

    Args:
        batch (WindowBatch): The windows.
        timestep (int): Step of the training schedule.

    Returns:
        tuple: float32 (N, 2C + 1, H, W), int64 scalar and int64 (N, ).
    """
    ground = background_statistics(batch.image, batch.mask)
    known = masked_image(normalize(batch.image, *ground), batch.mask)
    shown = torch.cat([batch.noise, known], dim=1)
    return shown, torch.tensor(timestep, device=shown.device), batch.label


def forward(
    unet: torch.nn.Module,
    shown: torch.Tensor,
    timestep: torch.Tensor,
    label: torch.Tensor,
    *,
    bf16: bool = False,
) -> torch.Tensor:
    """One forward: float (N, C, H, W), bfloat16 under autocast."""
    with torch.autocast(shown.device.type, torch.bfloat16, enabled=bf16):
        return unet(shown, timestep, class_labels=label).sample


def variants(
    unet: torch.nn.Module, arguments: tuple
) -> dict[str, Callable[[], torch.Tensor]]:
    """The forwards to compare, by name; the first is the plain one."""
    # A generator comes with channels last.
    plain, other = (
        partial(
            forward,
            copy.deepcopy(unet).to(memory_format=layout),
            arguments[0].contiguous(memory_format=layout),
            *arguments[1:],
        )
        for layout in (torch.contiguous_format, torch.channels_last)
    )
    return {
        PLAIN: plain,
        'bf16 autocast': partial(plain, bf16=True),
        'channels_last': other,
        'bf16 autocast, channels_last': partial(other, bf16=True),
    }


def compiled_variants(
    unet: torch.nn.Module, arguments: tuple
) -> dict[str, Callable[[], torch.Tensor] | Exception]:
    """Compiled forwards by name, or why there is none.

    Compiling needs a compiler, and one that knows this machine, so anything
    may go wrong.
    """
    found: dict = {}
    for name, bf16 in (
        ('torch.compile', False),
        ('torch.compile, bf16 autocast', True),
    ):
        try:
            compiled = torch.compile(copy.deepcopy(unet))
            call = partial(forward, compiled, *arguments, bf16=bf16)
            call()
            found[name] = call
        except Exception as error:
            found[name] = error
    return found


@torch.inference_mode()
def unet_rows(
    unet: torch.nn.Module,
    arguments: tuple,
    repeats: int,
    device: str,
    compiled: bool = False,
) -> list[Row]:
    """Compares the forwards with the plain one.

    Args:
        unet (nn.Module): The U-Net, float32, in eval mode.
        arguments (tuple): Of :func:`unet_arguments`.
        repeats (int): Timed runs of each.
        device (str): Where it runs.
        compiled (bool): Also try ``torch.compile``. Defaults to False.

    Returns:
        list[Row]: Seconds of the plain forward; for each other one how many
        times as fast it is, and the largest difference of its output.
    """
    calls = variants(unet, arguments)
    failed = {}
    for name, call in (
        compiled_variants(unet, arguments) if compiled else {}
    ).items():
        (failed if isinstance(call, Exception) else calls)[name] = call
    took = median_seconds(calls, repeats, device)
    how = f'median of {repeats} runs, in turns'
    rows = [Row(PART, PLAIN, took[PLAIN], 's', how)]
    expected = calls[PLAIN]()
    most = f'the outputs are up to {expected.abs().max():.2g}'
    for name in list(calls)[1:]:
        difference = (calls[name]().float() - expected).abs().max()
        rows += [
            Row(PART, name, took[PLAIN] / took[name], 'x', how),
            Row(PART, f'{name}: difference', difference.item(), '', most),
        ]
    for name, error in failed.items():
        reason = (str(error).strip().splitlines() or [''])[0]
        why = f'not available: {type(error).__name__} {reason}'
        rows.append(Row(PART, name, None, 'x', why))
    if not compiled:
        rows.append(
            Row(PART, 'torch.compile', None, 'x', 'not asked: --compile')
        )
    return rows


_UNET, _WHOLE = 'unet forward', 'whole call'


def unet_share(
    unet: torch.nn.Module, call: Callable[[], object], device: str = 'cpu'
) -> float:
    """Share of a call's time that is spent in the forward of a U-Net.

    Args:
        unet (nn.Module): The U-Net.
        call (Callable): What runs it.
        device (str): Where it runs. Defaults to 'cpu'.

    Returns:
        float: In [0, 1], of wall time, measured by ``torch.profiler``.
    """
    spans = []

    def begin(*_: object) -> None:
        synchronize(device)
        spans.append(record_function(_UNET))
        spans[-1].__enter__()

    def end(*_: object) -> None:
        synchronize(device)
        spans.pop().__exit__(None, None, None)

    hooks = [
        unet.register_forward_pre_hook(begin),
        unet.register_forward_hook(end),
    ]
    try:
        with (
            profile(activities=[ProfilerActivity.CPU]) as profiler,
            record_function(_WHOLE),
        ):
            call()
            synchronize(device)
    finally:
        for hook in hooks:
            hook.remove()
    took = {e.key: e.cpu_time_total for e in profiler.key_averages()}
    return took.get(_UNET, 0) / took[_WHOLE]


def share_rows(
    unet: torch.nn.Module,
    call: Callable[[], object],
    repeats: int,
    device: str,
) -> list[Row]:
    """The share as a row, a median of several runs after one to warm up."""
    call()
    shares = [unet_share(unet, call, device) for _ in range(repeats)]
    return [
        Row(
            'share',
            'U-Net forward in sampling time',
            median(shares),
            '',
            f'torch.profiler, median of {repeats} runs',
            least=0.9,
        )
    ]
