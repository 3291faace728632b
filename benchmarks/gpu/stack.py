"""The first part: what the machine has, and whether its basics are right."""

import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import torch
import torch.nn.functional as F

from benchmarks.gpu.clock import Clock
from benchmarks.gpu.results import Results, Row
from benchmarks.speed.timing import seconds

PART = 'stack'
# Names under which the builds of a library are installed.
DISTRIBUTIONS = dict(
    torch=('torch',),
    torchvision=('torchvision',),
    mmcv=('onedl-mmcv', 'mmcv'),
    mmengine=('onedl-mmengine', 'mmengine'),
    mmdet=('onedl-mmdetection', 'mmdet'),
    mmpretrain=('onedl-mmpretrain', 'mmpretrain'),
    diffusers=('diffusers',),
    numpy=('numpy',),
    opencv=('opencv-python-headless', 'opencv-python'),
)


def check_stack(results: Results, clock: Clock, device: str) -> bool:
    """Checks versions, mmcv's operators and bfloat16.

    Args:
        results (Results): Where rows go.
        clock (Clock): The part's time.
        device (str): ``'cuda'`` or ``'cpu'``.

    Returns:
        bool: Whether all comparisons hold.
    """
    for row in machine_rows(device):
        results.add(row)
    checks: list[tuple[str, Callable[[str], list[Row]]]] = [
        ('RoIAlign', roi_align_rows),
        ('NMS', nms_rows),
        ('multi-scale deformable attention', attention_rows),
        ('bf16 matrix product', matmul_rows),
        ('bf16 convolution', conv_rows),
        ('rates', rate_rows),
    ]
    fine = True
    for name, check in checks:
        if not clock.allows(name, 3):
            continue
        try:
            rows = check(device)
        except Exception as error:
            first = (str(error).splitlines() or [''])[0]
            how = f'{type(error).__name__}: {first}'
            rows = [Row(PART, name, 'error', how=how, ok=False)]
        for row in rows:
            results.add(row)
            fine = fine and row.ok is not False
    return fine


def find_version(builds: Iterable[str]) -> str:
    """Version of the first of these distributions that is installed."""
    for build in builds:
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(build)
    return 'not found'


def machine_rows(device: str) -> list[Row]:
    """Versions, and the card."""
    rows = [Row(PART, 'python', platform.python_version())]
    for name, builds in DISTRIBUTIONS.items():
        rows.append(Row(PART, name, find_version(builds)))
    rows.append(Row(PART, 'CPU', torch.backends.cpu.get_cpu_capability()))
    if device == 'cuda':
        card = torch.cuda.get_device_properties(0)
        free, _ = torch.cuda.mem_get_info()
        rows += [
            Row(PART, 'card', card.name),
            Row(PART, 'capability', f'{card.major}.{card.minor}'),
            Row(PART, 'memory', card.total_memory / 2**30, 'GiB'),
            Row(PART, 'memory free', free / 2**30, 'GiB'),
            Row(PART, 'CUDA', torch.version.cuda or 'none'),
            Row(PART, 'cuDNN', str(torch.backends.cudnn.version())),
            Row(
                PART,
                'bf16 supported',
                str(torch.cuda.is_bf16_supported()),
                ok=torch.cuda.is_bf16_supported(),
            ),
        ]
    return rows


def compared(
    name: str,
    found: torch.Tensor,
    expected: torch.Tensor,
    tolerance: float,
    against: str,
) -> Row:
    """Row of a relative error ``|found - expected| / |expected|``."""
    found, expected = found.detach().double().cpu(), expected.detach().double()
    error = float((found - expected.cpu()).norm() / expected.norm())
    how = f'relative error against {against}, at most {tolerance:g}'
    # nan never passes.
    return Row(PART, name, error, '', how, ok=error <= tolerance)


def roi_align_rows(device: str) -> list[Row]:
    """RoIAlign of mmcv, both ways, against torchvision's on the CPU."""
    from mmcv.ops import roi_align
    from torchvision.ops import roi_align as reference

    torch.manual_seed(0)
    maps = torch.randn(2, 16, 50, 50)
    corner = torch.rand(64, 2) * 300
    boxes = torch.cat([corner, corner + 8 + torch.rand(64, 2) * 90], 1)
    rois = torch.cat([torch.arange(64.0)[:, None] % 2, boxes], 1)
    weight = torch.randn(64, 16, 7, 7)
    expected = maps.double().requires_grad_()
    out = reference(
        expected, rois.double(), (7, 7), 0.125, sampling_ratio=2, aligned=True
    )
    (out * weight.double()).sum().backward()
    found = maps.to(device).requires_grad_()
    ours = roi_align(found, rois.to(device), (7, 7), 0.125, 2, 'avg', True)
    (ours * weight.to(device)).sum().backward()
    against = "torchvision's on the CPU in float64"
    return [
        compared('RoIAlign forward', ours, out, 1e-5, against),
        compared(
            'RoIAlign backward', found.grad, expected.grad, 1e-5, against
        ),
    ]


def nms_rows(device: str) -> list[Row]:
    """NMS of mmcv against torchvision's on the CPU."""
    from mmcv.ops import nms
    from torchvision.ops import nms as reference

    torch.manual_seed(0)
    corner = torch.rand(2000, 2) * 180
    boxes = torch.cat([corner, corner + 4 + torch.rand(2000, 2) * 40], 1)
    scores = torch.randperm(2000) / 2000  # no ties
    expected = reference(boxes, scores, 0.5)
    _, kept = nms(boxes.to(device), scores.to(device), 0.5)
    same = torch.equal(kept.cpu(), expected)
    how = f'{len(expected)} of 2000 boxes stay, as torchvision says on the CPU'
    return [Row(PART, 'NMS', len(kept), 'boxes', how, ok=same)]


def attention_rows(device: str) -> list[Row]:
    """Deformable attention on CUDA against mmcv's own on the CPU."""
    name = 'multi-scale deformable attention'
    if device == 'cpu':
        return [Row(PART, name, None, how='an operator for GPUs alone')]
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
        multi_scale_deformable_attn_pytorch,
    )

    torch.manual_seed(0)
    shapes = torch.tensor([[20, 20], [10, 10], [5, 5]])
    sizes = shapes.prod(1)
    starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]])
    value = torch.randn(2, int(sizes.sum()), 4, 16)
    places = torch.rand(2, 30, 4, 3, 4, 2)
    weights = torch.rand(2, 30, 4, 12).softmax(-1).view(2, 30, 4, 3, 4)
    by_cpu = value.double().requires_grad_()
    expected = multi_scale_deformable_attn_pytorch(
        by_cpu, shapes, places.double(), weights.double()
    )
    expected.square().sum().backward()
    on_gpu = value.to(device).requires_grad_()
    found = MultiScaleDeformableAttnFunction.apply(
        on_gpu,
        shapes.to(device),
        starts.to(device),
        places.to(device),
        weights.to(device),
        64,
    )
    found.square().sum().backward()
    against = 'the one in PyTorch, on the CPU in float64'
    return [
        compared(f'{name} forward', found, expected, 1e-5, against),
        compared(f'{name} backward', on_gpu.grad, by_cpu.grad, 1e-5, against),
    ]


def matmul_rows(device: str) -> list[Row]:
    """A matrix product in float32 and in bfloat16."""
    torch.manual_seed(0)
    a, b = torch.randn(256, 384), torch.randn(384, 256)
    expected = a.double() @ b.double()
    rows = []
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 1e-2)):
        found = a.to(device, dtype) @ b.to(device, dtype)
        rows.append(
            compared(
                f'matrix product, {dtype}'.replace('torch.', ''),
                found,
                expected,
                tolerance,
                'float64 on the CPU',
            )
        )
    return rows


def conv_rows(device: str) -> list[Row]:
    """A convolution and its gradients, in both formats and layouts."""
    torch.manual_seed(0)
    images, kernel = torch.randn(4, 16, 24, 24), torch.randn(32, 16, 3, 3)

    def run(device: str, dtype: torch.dtype, layout: torch.memory_format):
        x = images.to(device, dtype, copy=True, memory_format=layout)
        w = kernel.to(device, dtype, copy=True, memory_format=layout)
        x.requires_grad_()
        w.requires_grad_()
        out = F.conv2d(x, w, padding=1)
        out.float().square().mean().backward()
        return out, w.grad

    expected = run('cpu', torch.float64, torch.contiguous_format)
    rows = []
    # cuDNN uses TF32 for float32 unless told otherwise, as torch has it.
    for dtype, tolerance in ((torch.float32, 2e-3), (torch.bfloat16, 2e-2)):
        for layout in (torch.contiguous_format, torch.channels_last):
            found = run(device, dtype, layout)
            for what, x, y in zip(('forward', 'backward'), found, expected):
                name = f'convolution {what}, {dtype}, {layout}'
                rows.append(
                    compared(
                        name.replace('torch.', ''),
                        x,
                        y,
                        tolerance,
                        'float64 on the CPU',
                    )
                )
    return rows


def rate_rows(device: str) -> list[Row]:
    """What the machine can do at best, to hold the rest against."""
    side, repeats = (8192, 20) if device == 'cuda' else (512, 5)
    a = torch.randn(side, side, device=device).bfloat16()
    b = torch.randn(side, side, device=device).bfloat16()

    def products() -> None:
        for _ in range(repeats):
            a @ b

    number = 2**28 if device == 'cuda' else 2**24
    source = torch.randn(number, device=device)
    target = torch.empty_like(source)

    def copies() -> None:
        for _ in range(repeats):
            target.copy_(source)

    products()
    copies()
    operations = 2 * side**3 * repeats / seconds(products, device)
    moved = 8 * number * repeats / seconds(copies, device)
    begun = time.perf_counter()
    for _ in range(1000):
        a[:1, :1].add_(0)
    launch = (time.perf_counter() - begun) / 1000
    return [
        Row(PART, 'bf16 rate', operations / 1e12, 'TFLOP/s', f'{side} square'),
        Row(PART, 'copy rate', moved / 1e9, 'GB/s', 'read and written'),
        Row(PART, 'host time of a small operation', launch * 1e6, 'us'),
    ]
