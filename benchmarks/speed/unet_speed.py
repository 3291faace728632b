"""The U-Net's forward in other number formats and memory layouts."""

import copy
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.speed.speed_table import Row
from benchmarks.speed.timing import median_seconds
from benchmarks.speed.window_batch import WindowBatch
from mmdet_ddpm_moco.models.background_norm import background_norm, encode
from mmdet_ddpm_moco.models.conditioning import masked_image, unet_input

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
    ground = background_norm(batch.image, batch.mask)
    known = masked_image(encode(batch.image, *ground), batch.mask)
    shown = unet_input(batch.noise, known)
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
