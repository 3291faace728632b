"""A training step: ours against those of mmpretrain and of lightly."""

from collections.abc import Callable, Mapping
from statistics import median

from benchmarks.speed.moco_variants import (
    INSTALL_LIGHTLY,
    build_lightly,
    build_mmpretrain,
    build_ours,
    training_step,
)
from benchmarks.speed.speed_table import Row
from benchmarks.speed.step_share import backbone_share, queue_copies
from benchmarks.speed.timing import fair_clock, median_seconds

PART = 'step'
OURS = 'DatasetMoCo'


def step_rows(
    model: Mapping, optim: Mapping, data: dict, repeats: int, device: str
) -> list[Row]:
    """Compares the steps, all of the same networks, batch and optimizer.

    Args:
        model (Mapping): Config of a ``DatasetMoCo``.
        optim (Mapping): Config of the optimizer and its wrapper.
        data (dict): A batch.
        repeats (int): Timed steps of each.
        device (str): Where they run.

    Returns:
        list[Row]: Seconds of ours, how many times as long the others take,
        and what ours does beside its backbones.
    """
    ours = build_ours(model).to(device)
    step, wrapper = training_step(ours, optim, data)
    calls: dict[str, Callable] = {OURS: step}
    missing = {}
    for name, build in (
        ('mmpretrain', build_mmpretrain),
        ('lightly', build_lightly),
    ):
        try:
            other = build(model).to(device)
        except ImportError:
            missing[name] = INSTALL_LIGHTLY
            continue
        calls[name] = training_step(other, optim, data)[0]
    took = median_seconds(calls, repeats, device, fair_clock(device))
    how = f'median of {repeats} steps, in turns; {optim["type"]}'
    rows = [Row(PART, OURS, took[OURS], 's', how)]
    for name in ('mmpretrain', 'lightly'):
        ratio = took[name] / took[OURS] if name in took else None
        rows.append(
            Row(
                PART,
                f'{OURS} against {name}',
                ratio,
                'x',
                missing.get(name, how),
                least=1,
            )
        )
    shares = [
        1 - backbone_share(ours, step, wrapper, device) for _ in range(repeats)
    ]
    return rows + [
        Row(
            PART,
            f'{OURS}: share outside of the backbones',
            median(shares),
            '',
            f'median of {repeats} steps; forward and backward, by hooks',
            most=0.05,
        ),
        Row(
            PART,
            f'{OURS}: copies of the queue',
            queue_copies(ours, step),
            '',
            f'in a step, of {tuple(ours.queue.shape)}',
            most=1,
        ),
    ]
