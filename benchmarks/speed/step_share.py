"""What else a step of MoCo does than running its backbones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.speed.timing import fair_clock, synchronize

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
        step (Callable): Makes a step.
        wrapper (OptimWrapper): What the step calls.
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
    # Begin and end: of the step, and within it of query, keys and backward.
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
