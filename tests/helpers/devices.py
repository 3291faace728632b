"""Comparisons of a device with the CPU."""

import torch


def to(values, device):
    """Tensors in lists, tuples and dicts, on a device."""
    if isinstance(values, torch.Tensor):
        return values.to(device)
    if isinstance(values, dict):
        return {key: to(value, device) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return type(values)(to(value, device) for value in values)
    return values


def close(found, expected, tolerance, what=''):
    """Asserts ``|found - expected| <= tolerance * |expected|``, as norms.

    Element by element, sums of many terms in another order would need a
    tolerance that hides errors elsewhere.
    """
    found, expected = found.detach().cpu(), expected.detach().cpu()
    assert found.shape == expected.shape, what
    assert torch.isfinite(found).all(), what
    error = (found.double() - expected.double()).norm()
    scale = expected.double().norm()
    assert error <= tolerance * scale + 1e-12, (
        f'{what}: {float(error):.3g} of {float(scale):.3g}'
    )


def gradients(model):
    """Gradients by name, of the parameters that have one."""
    return {
        name: value.grad
        for name, value in model.named_parameters()
        if value.grad is not None
    }


def all_on(module, device):
    """Asserts that nothing of a module is on another device."""
    places = {
        name: tensor.device.type
        for name, tensor in (
            *module.named_parameters(),
            *module.named_buffers(),
        )
    }
    left = {name for name, place in places.items() if place != device}
    assert not left, f'not on {device}: {sorted(left)}'
