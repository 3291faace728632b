"""A GPU that is not there: fake tensors have a device and no values.

An operation on tensors of two devices fails as on a GPU. What would make a
GPU's host wait either fails, where a value is read, or is counted.
"""

from contextlib import contextmanager

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.torch_version import TorchVersion
from torch.utils._python_dispatch import TorchDispatchMode

# By version: to try would leave fake state behind, with which autograd does
# not run in forked processes.
needs_fake_gpu = pytest.mark.skipif(
    TorchVersion(torch.__version__) < '2.6',
    reason='torch 2.1 needs a GPU driver for fake tensors on a GPU',
)


class _Waits(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name in ('_to_copy', 'copy_', '_foreach_copy_'):
            sources = args[-1] if name != '_to_copy' else args[0]
            targets = out if name == '_to_copy' else args[0]
            if isinstance(sources, torch.Tensor):
                sources, targets = [sources], [targets]
            # Copies from the device always are for the host to read.
            free = kwargs.get('non_blocking') or (
                name == 'copy_' and len(args) > 2 and args[2]
            )
            for source, target in zip(sources, targets):
                places = source.device.type, target.device.type
                if places[0] != places[1] and not (
                    free and places[1] == 'cuda'
                ):
                    self.found.append(f'{name} {places[0]} -> {places[1]}')
        return out


@contextmanager
def count_waits():
    """Inside of ``FakeTensorMode``: what would make the host wait.

    Yields:
        list[str]: Copies between host and device that are not asynchronous.
    """
    with _Waits() as waits:
        yield waits.found


def to_fake_gpu(model, mode=None):
    """What ``model.cuda()`` does, with fake tensors.

    Args:
        model (nn.Module): Changed in place.
        mode (FakeTensorMode): The mode that is on.
    """
    mode = mode or FakeTensorMode()

    def fake(tensor):
        fake = mode.from_tensor(tensor, static_shapes=True).detach()
        return torch.empty_like(fake, device='cuda')

    for module in model.modules():
        for name, value in module._parameters.items():
            if value is not None:
                module._parameters[name] = torch.nn.Parameter(
                    fake(value), value.requires_grad
                )
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = fake(value)
    for module in model.modules():
        if hasattr(module, 'avg_parameters'):
            parameters = module.module.named_parameters()
            module.avg_parameters = dict(parameters)
        if hasattr(module, '_device'):  # a data preprocessor
            module._device = torch.device('cuda')
    return model
