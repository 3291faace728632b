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
FP32 = 'fp32'


def unet_arguments(batch: WindowBatch, timestep: int) -> tuple:
    """Arguments of the U-Net in the first step of sampling.

    Args:
        batch (WindowBatch): The windows.
        timestep (int): Step of the training schedule.

    Returns:
        tuple: float32 (N, 2C + 1, H, W), int64 scalar and int64 (N, ).
    """
    ground = background_statistics(batch.image, batch.mask)
    known = masked_image(normalize(batch.image, *ground), batch.mask)
    sample = torch.cat([batch.noise, known], dim=1)
    return sample, torch.tensor(timestep, device=sample.device), batch.label


def forward(
    unet: torch.nn.Module,
    sample: torch.Tensor,
    timestep: torch.Tensor,
    label: torch.Tensor,
    *,
    bf16: bool = False,
) -> torch.Tensor:
    """One forward: float (N, C, H, W), bfloat16 under autocast."""
    with torch.autocast(sample.device.type, torch.bfloat16, enabled=bf16):
        return unet(sample, timestep, class_labels=label).sample


def variants(
    unet: torch.nn.Module, arguments: tuple
) -> dict[str, Callable[[], torch.Tensor]]:
    """The forward passes to compare, by name; the first is fp32."""
    # A generator is loaded with channels last.
    fp32, other = (
        partial(
            forward,
            copy.deepcopy(unet).to(memory_format=layout),
            arguments[0].contiguous(memory_format=layout),
            *arguments[1:],
        )
        for layout in (torch.contiguous_format, torch.channels_last)
    )
    return {
        FP32: fp32,
        'bf16 autocast': partial(fp32, bf16=True),
        'channels_last': other,
        'bf16 autocast, channels_last': partial(other, bf16=True),
    }


def compiled_variants(
    unet: torch.nn.Module, arguments: tuple
) -> dict[str, Callable[[], torch.Tensor] | Exception]:
    """Compiled forward passes by name, or the error.

    Any error is caught, because compilation depends on the machine's compiler.
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
    """Compares forward passes with that in fp32.

    Args:
        unet (nn.Module): The U-Net, float32, in eval mode.
        arguments (tuple): Of :func:`unet_arguments`.
        repeats (int): Timed runs of each.
        device (str): Where it runs.
        compiled (bool): Also try ``torch.compile``. Defaults to False.

    Returns:
        list[Row]: Seconds in fp32; for each other one its speed-up and the
        largest difference of its output.
    """
    calls = variants(unet, arguments)
    failed = {}
    for name, call in (
        compiled_variants(unet, arguments) if compiled else {}
    ).items():
        (failed if isinstance(call, Exception) else calls)[name] = call
    took = median_seconds(calls, repeats, device)
    how = f'median of {repeats} runs, in turns'
    rows = [Row(PART, FP32, took[FP32], 's', how)]
    expected = calls[FP32]()
    most = f'the outputs are up to {expected.abs().max():.2g}'
    for name in list(calls)[1:]:
        difference = (calls[name]().float() - expected).abs().max()
        rows += [
            Row(PART, name, took[FP32] / took[name], 'x', how),
            Row(PART, f'{name}: difference', difference.item(), '', most),
        ]
    for name, error in failed.items():
        reason = (str(error).strip().splitlines() or [''])[0]
        why = f'not available: {type(error).__name__} {reason}'
        rows.append(Row(PART, name, None, 'x', why))
    if not compiled:
        rows.append(
            Row(PART, 'torch.compile', None, 'x', 'only with --compile')
        )
    return rows


_UNET, _WHOLE = 'unet forward', 'whole call'


def unet_share(
    unet: torch.nn.Module, call: Callable[[], object], device: str = 'cpu'
) -> float:
    """Share of a call's time spent in the forward pass of a U-Net.

    Args:
        unet (nn.Module): The U-Net.
        call (Callable): Runs it.
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
    """Median share over several runs, after a warm-up run."""
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
