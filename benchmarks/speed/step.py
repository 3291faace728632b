"""A training step: ours against those of mmpretrain and of lightly."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.speed.moco_variants import (
    INSTALL_LIGHTLY,
    build_lightly,
    build_mmpretrain,
    build_ours,
    training_step,
)
from benchmarks.speed.table import Row
from benchmarks.speed.timing import fair_clock, median_seconds, synchronize

PART = 'step'
OURS = 'DatasetMoCo'


def step_rows(
    model: Mapping, optim: Mapping, data: dict, repeats: int, device: str
) -> list[Row]:
    """Compares steps with the same networks, batch and optimizer.

    Args:
        model (Mapping): Config of a ``DatasetMoCo``.
        optim (Mapping): Config of the optimizer and its wrapper.
        data (dict): A batch.
        repeats (int): Timed steps of each.
        device (str): Where they run.

    Returns:
        list[Row]: Seconds of ours, the others' time as a multiple of it, the
        share of our step outside of the backbones, and copies of the queue.
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


_COPIES = ('clone', 'copy', '_to_copy', 'contiguous')


def backbone_share(
    model: BaseModel,
    step: Callable[[], object],
    wrapper: OptimWrapper,
    device: str = 'cpu',
) -> float:
    """Share of a step that the backbones' forward and backward take.

    Args:
        model (BaseModel): A ``MoCo``; its backbone and that of its key
            encoder count.
        step (Callable): Runs a step.
        wrapper (OptimWrapper): Used by the step.
        device (str): Where it runs. Defaults to 'cpu'.

    Returns:
        float: In [0, 1]; on a CPU of its time, else of wall time.
    """
    clock = fair_clock(device)
    marks: list[float] = []

    def mark(*_: object) -> None:
        synchronize(device)
        marks.append(clock())

    def forward_ends(_: object, __: object, outputs: tuple[Tensor]) -> None:
        mark()
        if outputs[-1].requires_grad:
            outputs[-1].register_hook(mark)

    with _backward_ends(wrapper, mark):
        hooks = []
        for backbone in (model.backbone, model.encoder_k.module[0]):
            hooks.append(backbone.register_forward_pre_hook(mark))
            hooks.append(backbone.register_forward_hook(forward_ends))
        try:
            mark()
            step()
            mark()
        finally:
            for hook in hooks:
                hook.remove()
    # Begin and end of the step, and within it of query, keys and backward.
    first, *inside, last = marks
    spans = zip(inside[::2], inside[1::2], strict=True)
    return sum(end - begin for begin, end in spans) / (last - first)


@contextmanager
def _backward_ends(
    wrapper: OptimWrapper, mark: Callable[[], None]
) -> Iterator[None]:
    """Calls ``mark`` after each backward pass, the backbone's end."""
    backward = wrapper.backward

    def marked(*args: object, **kwargs: object) -> None:
        backward(*args, **kwargs)
        mark()

    wrapper.backward = marked
    try:
        yield
    finally:
        del wrapper.backward


class _CopyCounter(TorchDispatchMode):
    """Counts the operators that copy all of one tensor."""

    def __init__(self, watched: Tensor) -> None:
        super().__init__()
        self.watched, self.copies = watched, 0

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple, kwargs: object = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        source = next((a for a in args if isinstance(a, Tensor)), None)
        if (
            name in _COPIES
            and source is not None
            and source.numel() == self.watched.numel()
            and source.untyped_storage().data_ptr()
            == self.watched.untyped_storage().data_ptr()
        ):
            self.copies += 1
        return out


def queue_copies(model: BaseModel, step: Callable[[], object]) -> int:
    """How often a step copies the whole ``queue`` of a model."""
    with _CopyCounter(model.queue) as counter:
        step()
    return counter.copies
