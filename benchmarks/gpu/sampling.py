"""Synthesis: windows per second, in batches and as a bank."""

import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from benchmarks.gpu.clock import Clock
from benchmarks.gpu.data import CLASSES
from benchmarks.gpu.profiling import peak_memory, profiled_rows
from benchmarks.gpu.results import Results, Row
from benchmarks.gpu.variants import SMALL_UNET
from benchmarks.speed.sampling import sampling_rows
from benchmarks.speed.timing import seconds
from benchmarks.speed.windows import draw_batch, our_sampling
from mmdet_ddpm_moco.models.ddpm import DefectDDPM
from mmdet_ddpm_moco.synthesis.gates import QualityGates
from mmdet_ddpm_moco.synthesis.generator import (
    Generator,
    load_generator,
    save_generator,
)
from mmdet_ddpm_moco.synthesis.run import BLOCK, synthesize_bank
from mmdet_ddpm_moco.synthesis.settings import BankOptions

PART = 'synthesis'


def run_synthesis(
    results: Results, clock: Clock, device: str, configs: Path, work: Path
) -> bool:
    """Samples with the generator of the part before, or an untrained one.

    Args:
        results (Results): Where rows go.
        clock (Clock): The part's time.
        device (str): ``'cuda'`` or ``'cpu'``.
        configs (Path): The shipped configs.
        work (Path): Folder of the runs, current folder of this process.

    Returns:
        bool: Whether all of it ran.
    """
    folder, how = find_generator(device, configs, work)
    generator = load_generator(folder)
    data = work / 'data' / 'NEU-DET'
    images = data / 'annotations' / 'train_20.json', data / 'images'
    options = BankOptions()
    big = device == 'cuda'

    number = 256 if big else 8
    out = work / 'bank'
    if clock.allows(f'a bank of {number} windows', 20 if big else 5):
        shutil.rmtree(out, ignore_errors=True)
        generator.unet.to(device)
        begun = time.perf_counter()
        with nothing_rejected():
            manifest = synthesize_bank(
                generator, *images, out, num=number, device=device
            )
        took = time.perf_counter() - begun
        # Whole blocks are painted.
        tried = math.ceil(number / BLOCK) * BLOCK
        results.add(
            Row(
                PART,
                'bank: painted, checked and written',
                tried / took,
                'windows/s',
                f'{tried} windows; none is rejected, of {how}',
            )
        )
        results.add(
            Row(
                PART,
                'bank: device in the manifest',
                json.dumps(manifest.get('device')),
                ok=device in json.dumps(manifest.get('device')),
            )
        )
    generator.unet.to(device)
    for size in (4, 16, 64, 256) if big else (2,):
        name = f'{size} windows at once'
        if not clock.allows(name, 5):
            continue
        batch = draw_batch(generator, *images, size, device)
        ours = our_sampling(generator, batch, options)
        ours()
        took = min(seconds(ours, device) for _ in range(3))
        what = (
            f'{options.num_inference_steps} steps of {options.sampler}, bf16'
        )
        results.add(Row(PART, name, size / took, 'windows/s', what))
        if size == (16 if big else 2):
            for row in profiled_rows(PART, name, ours, 1, device):
                results.add(row)
    number = 64 if big else 2
    if clock.allows('all steps of DDPM', 40 if big else 10):
        batch = draw_batch(generator, *images, number, device)
        for row in sampling_rows(generator, batch, options, 2, device):
            ok = (
                None
                if row.least is None or not big
                else ((row.value or 0) >= row.least)
            )
            results.add(Row(PART, row.what, row.value, row.unit, row.how, ok))
    results.add(Row(PART, 'peak memory', peak_memory(device), 'MiB'))
    if big:
        compile_rows(results, clock, generator, images, options)
    return all(row['ok'] is not False for row in results.rows(PART))


@contextmanager
def nothing_rejected() -> Iterator[None]:
    """Gates are computed and ignored: what paints is hardly trained."""
    rejection = QualityGates.rejection

    def ignored(self: QualityGates, *args: Any) -> None:
        rejection(self, *args)

    QualityGates.rejection = ignored  # type: ignore[method-assign]
    try:
        yield
    finally:
        QualityGates.rejection = rejection  # type: ignore[method-assign]


def find_generator(device: str, configs: Path, work: Path) -> tuple[Path, str]:
    """The generator that the part ``generator`` trained, or a new one."""
    trained = work / 'runs' / 'unet64_as shipped' / 'generator'
    if trained.is_dir():
        return trained, 'generator of the part before'
    cfg = Config.fromfile(configs / 'ddpm/ddpm_unet64_1xb64-20ki_neu-det.py')
    if device == 'cpu':
        cfg.merge_from_dict(
            {k: v for k, v in SMALL_UNET.items() if k.startswith('model')}
        )
    cfg.model.pop('type')
    model = DefectDDPM(**cfg.model)
    folder = save_generator(
        work / 'untrained_generator',
        model.unet,
        model.scheduler,
        classes=CLASSES,
        window=64,
    )
    return folder, 'an untrained generator'


def compile_rows(
    results: Results,
    clock: Clock,
    generator: Generator,
    images: tuple[Path, Path],
    options: BankOptions,
) -> None:
    """Whether CUDA graphs pay for small batches."""
    name = '16 windows at once, compiled with CUDA graphs'
    if not clock.allows(name, 60):
        return
    batch = draw_batch(generator, *images, 16, 'cuda')
    ours = our_sampling(generator, batch, options)
    expected = ours()
    generator.unet.compile(mode='reduce-overhead')
    found = ours()
    ours()
    took = min(seconds(ours, 'cuda') for _ in range(3))
    away = float((found - expected).abs().mean())
    how = f'mean difference in the windows {away:.2g}, of a range of 2'
    results.add(Row(PART, name, 16 / took, 'windows/s', how))
    torch._dynamo.reset()
