"""A training step in other number formats and memory layouts."""

from collections.abc import Mapping

import torch

from benchmarks.speed.moco_variants import build_ours, training_step
from benchmarks.speed.table import Row
from benchmarks.speed.timing import fair_clock, median_seconds

PART = 'precision'
FORMATS = {
    'fp32': 'OptimWrapper',
    'bf16 autocast': 'mmdet_ddpm_moco.Bf16OptimWrapper',
}


def precision_rows(
    model: Mapping, optim: Mapping, data: dict, repeats: int, device: str
) -> list[Row]:
    """Compares steps from the same weights with that in fp32.

    Args:
        model (Mapping): Config of a ``DatasetMoCo``.
        optim (Mapping): Config of the optimizer; its wrapper is replaced.
        data (dict): A batch.
        repeats (int): Timed steps of each.
        device (str): Where they run.

    Returns:
        list[Row]: Seconds of the fp32 step; for each other one its speed-up
        and the difference of its first loss.
    """
    calls, losses = {}, {}
    for layout in ('', ', channels_last'):
        for name, wrapper in FORMATS.items():
            torch.manual_seed(0)
            config = {**model, 'channels_last': bool(layout)}
            built = build_ours(config).to(device)
            step, _ = training_step(built, {**optim, 'type': wrapper}, data)
            calls[name + layout] = step
            torch.manual_seed(1)  # of the shuffle before the key encoder
            losses[name + layout] = float(step()['loss'])
    took = median_seconds(calls, repeats, device, fair_clock(device))
    how = f'median of {repeats} steps, in turns'
    fp32 = next(iter(calls))
    rows = [Row(PART, fp32, took[fp32], 's', how)]
    for name in list(calls)[1:]:
        off = abs(losses[name] - losses[fp32])
        rows += [
            Row(PART, name, took[fp32] / took[name], 'x', how),
            Row(
                PART,
                f'{name}: difference',
                off,
                '',
                f'of the first loss, {losses[fp32]:.3f} in fp32',
            ),
        ]
    return rows
