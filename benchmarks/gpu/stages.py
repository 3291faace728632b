"""Training stages with the shipped configs for one GPU, at their true sizes.

Each config is run as shipped and in other number formats, for some steps, by
MMEngine's Runner with the hooks of the config that work in every step.
"""

import copy
import gc
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from benchmarks.gpu.clock import Clock
from benchmarks.gpu.profiling import peak_memory, profiled_rows
from benchmarks.gpu.results import Results, Row
from benchmarks.gpu.step_meter import StepMeter
from benchmarks.gpu.variants import STAGES, Stage, Variant

# Hooks that draw, measure or need what other stages make. The exports stay:
# they write what the next part uses.
DROPPED = ('SampleGridHook', 'ContrastiveProgressHook', 'DDPMMoCoHook')


def run_stages(
    part: str,
    results: Results,
    clock: Clock,
    device: str,
    configs: Path,
    work: Path,
) -> bool:
    """Runs the configs of a part, one variant after the other.

    Args:
        part (str): ``'generator'``, ``'contrast'`` or ``'detector'``.
        results (Results): Where rows go.
        clock (Clock): The part's time.
        device (str): ``'cuda'`` or ``'cpu'``.
        configs (Path): The shipped configs.
        work (Path): Folder of the runs, current folder of this process.

    Returns:
        bool: Whether all variants ran for which there was time, one at least.
    """
    fine, ran = True, 0
    stages = [stage for stage in STAGES if stage.part == part]
    turns = max(len(stage.variants) for stage in stages)
    for turn in range(turns):
        for stage in stages:
            if turn >= len(stage.variants):
                continue
            variant = stage.variants[turn]
            name = f'{stage.name}, {variant.name}'
            if device == 'cpu' and variant.needs_gpu:
                results.add(Row(part, name, None, how=variant.needs_gpu))
                continue
            cost = variant.seconds if device == 'cuda' else 5
            if not clock.allows(name, cost):
                continue
            try:
                run_variant(stage, variant, results, device, configs, work)
                ran += 1
            except Exception as error:
                if not isinstance(error, torch.cuda.OutOfMemoryError):
                    traceback.print_exc()
                first = (str(error).splitlines() or [''])[0][:300]
                how = f'{type(error).__name__}: {first}'
                results.add(Row(part, name, 'error', how=how, ok=False))
                fine = False
            gc.collect()
            if device == 'cuda':
                torch.cuda.empty_cache()
    return fine and ran > 0


def run_variant(
    stage: Stage,
    variant: Variant,
    results: Results,
    device: str,
    configs: Path,
    work: Path,
) -> None:
    """Trains a config for some steps and writes what it took."""
    warm_up, steps, profiled = (10, 30, 3) if device == 'cuda' else (1, 3, 1)
    if variant.compiled:
        warm_up = 15
    cfg = short_config(
        configs / stage.config, stage, variant, warm_up + steps + profiled
    )
    if device == 'cpu':
        cfg.merge_from_dict(stage.small)
    bank = with_bank(cfg, work) if stage.part == 'detector' else False
    name = f'{stage.name}, {variant.name}'
    cfg.work_dir = str(work / 'runs' / name.replace(', ', '_'))
    cfg.experiment_name = f'{name}_{time.time_ns()}'
    meter = StepMeter(
        partial(profiled_rows, stage.part, name, device=device),
        warm_up,
        steps,
        profiled,
        device,
        variant,
    )
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    runner = Runner.from_cfg(cfg)
    runner.register_hook(meter, 'LOWEST')
    runner.train()
    loader = cfg.train_dataloader
    how = (
        f'batches of {loader.batch_size}, {loader.num_workers} workers, '
        f'{cfg.optim_wrapper.type.rsplit(".", 1)[-1]}, {steps} steps'
        + ', with a bank'
        * bank
    )
    for what, value, unit in (
        ('steps', meter.steps / meter.seconds, '/s'),
        ('waits for data', 100 * meter.waited / meter.seconds, '%'),
        ('peak memory', peak_memory(device), 'MiB'),
        ('loss', meter.loss, ''),
    ):
        ok = None
        if what == 'loss':
            # Of so few steps only that it is a number.
            ok = meter.loss == meter.loss and abs(meter.loss) < float('inf')
        results.add(Row(stage.part, f'{name}: {what}', value, unit, how, ok))
    for row in meter.rows:
        results.add(row)
    model = runner.model
    places = {t.device.type for t in model.state_dict().values()}
    results.add(
        Row(
            stage.part,
            f'{name}: weights and buffers are on',
            ', '.join(sorted(places)),
            ok=places == {device},
        )
    )


def short_config(
    file: Path, stage: Stage, variant: Variant, steps: int
) -> Config:
    """A config that trains for some steps, without validation."""
    cfg = Config.fromfile(file)
    for kind in ('val', 'test'):
        for key in ('cfg', 'dataloader', 'evaluator'):
            cfg[f'{kind}_{key}'] = None
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps)
    cfg.pop('stages', None)
    if stage.part == 'detector':
        # Speed is that of any weights, and a network is not needed.
        cfg.model.backbone.init_cfg = None
    # A schedule in epochs means nothing here; at full height a first step
    # can spoil the loss.
    cfg.param_scheduler = None
    cfg.optim_wrapper.optimizer.lr = 1e-4
    cfg.log_level = 'WARNING'
    cfg.default_hooks = {
        **cfg.get('default_hooks', {}),
        'checkpoint': None,
    }
    cfg.custom_hooks = [
        hook
        for hook in cfg.get('custom_hooks', [])
        if not str(hook.type).endswith(DROPPED)
        and not (variant.name != 'as shipped' and 'Export' in hook.type)
    ]
    if variant.wrapper is not None:
        cfg.optim_wrapper.type = variant.wrapper
    if variant.pinned:
        cfg.train_dataloader.pin_memory = True
    if variant.fused:
        cfg.optim_wrapper.optimizer.fused = True
    if variant.workers is not None:
        cfg.train_dataloader.num_workers = variant.workers
    if variant.channels_last is not None and stage.part == 'contrast':
        cfg.model.channels_last = variant.channels_last
    cfg.env_cfg = copy.deepcopy(cfg.get('env_cfg', {}))
    cfg.env_cfg.cudnn_benchmark = variant.benchmark
    return cfg


def with_bank(cfg: Config, work: Path) -> bool:
    """Adds the bank and the weights of earlier parts, if they are there."""
    bank, backbone = work / 'bank', work / 'backbone.pth'
    hook: dict[str, Any] = dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook', unfreeze=True
    )
    if (bank / 'manifest.json').exists():
        hook['bank'] = str(bank)
    if backbone.exists():
        hook['checkpoint'] = str(backbone)
    if 'bank' in hook or 'checkpoint' in hook:
        cfg.custom_hooks = [hook]
    return 'bank' in hook
