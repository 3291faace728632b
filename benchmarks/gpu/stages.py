"""Training stages with the shipped configs for one GPU, at their true sizes.

Each config is run as shipped and in other number formats, for some steps, by
MMEngine's Runner with the hooks of the config that work in every step.
"""

import copy
import gc
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from benchmarks.gpu.clock import Clock
from benchmarks.gpu.profiling import peak_memory, profiled_rows
from benchmarks.gpu.results import Results, Row

# Hooks that draw, measure or need what other stages make. The exports stay:
# they write what the next part uses.
DROPPED = ('SampleGridHook', 'ContrastiveProgressHook', 'DDPMMoCoHook')
BF16 = 'mmdet_ddpm_moco.Bf16OptimWrapper'
# Of mmcv's operators in a detector none knows bfloat16.
FP16 = 'AmpOptimWrapper'
NO_FP16 = 'float16 needs a GPU'
NO_PINNED = 'pinned memory needs a GPU'
NO_COMPILE = 'one core would compile for minutes'


@dataclass(frozen=True)
class Variant:
    """A way to run a config.

    Attributes:
        name (str): As rows name it.
        wrapper (str, optional): Type of the optimizer wrapper; None as
            shipped.
        channels_last (bool, optional): Memory layout; None as shipped.
        compiled (str, optional): The part of the model to compile.
        benchmark (bool): Let cuDNN choose its algorithms by timing.
        workers (int, optional): Of the data loader; None as shipped.
        pinned (bool): Batches in pinned memory, which a copy does not wait
            for.
        fused (bool): The optimizer in one kernel.
        needs_gpu (str): Why it does not run on a CPU.
        seconds (float): What it may take, on a GPU.
    """

    name: str
    wrapper: str | None = None
    channels_last: bool | None = None
    compiled: str | None = None
    benchmark: bool = False
    workers: int | None = None
    pinned: bool = False
    fused: bool = False
    needs_gpu: str = ''
    seconds: float = 10


@dataclass(frozen=True)
class Stage:
    """A config to run.

    Attributes:
        part (str): The part of the check.
        name (str): As rows name it.
        config (str): Path below ``configs``.
        variants (tuple[Variant, ...]): Most valuable first.
        small (dict): Settings that make it small enough for a CPU.
        batch (Callable): Samples in a batch of the data loader.
    """

    part: str
    name: str
    config: str
    variants: tuple[Variant, ...]
    small: dict = field(default_factory=dict)


UNET_VARIANTS = (
    Variant('as shipped'),
    Variant('bf16, channels last', BF16, channels_last=True),
    Variant(
        'bf16, channels last, fused AdamW, pinned',
        BF16,
        channels_last=True,
        pinned=True,
        fused=True,
        needs_gpu=NO_PINNED,
    ),
    Variant('fp32', 'OptimWrapper'),
)
SMALL_UNET = {
    'model.unet.block_out_channels': (16, 16, 32, 32),
    'model.unet.layers_per_block': 1,
    'model.unet.norm_num_groups': 8,
    'model.unet.attention_head_dim': 16,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.batch_size': 4,
    'train_dataloader.dataset.window': 32,
}
STAGES = (
    Stage(
        'generator',
        'unet64',
        'ddpm/ddpm_unet64_1xb64-20ki_neu-det.py',
        UNET_VARIANTS,
        {**SMALL_UNET, 'train_dataloader.dataset.max_window': 48},
    ),
    Stage(
        'generator',
        'paper',
        'ddpm/ddpm_paper_1xb32-40ki_neu-det.py',
        (
            Variant('as shipped'),
            Variant('bf16, channels last', BF16, channels_last=True),
            # The only one whose windows are all of one size.
            Variant(
                'bf16, channels last, compiled',
                BF16,
                channels_last=True,
                compiled='unet',
                needs_gpu=NO_COMPILE,
                seconds=60,
            ),
        ),
        {**SMALL_UNET, 'train_dataloader.dataset.window': 48},
    ),
    Stage(
        'contrast',
        'r50',
        'mocov2/mocov2_r50_1xb128-coslr-200e_neu-det.py',
        (
            Variant('as shipped'),
            Variant('bf16, channels last', BF16, channels_last=True),
            Variant('bf16', BF16, channels_last=False),
            Variant(
                'bf16, channels last, cuDNN benchmark, pinned, 14 workers',
                BF16,
                channels_last=True,
                benchmark=True,
                workers=14,
                pinned=True,
                needs_gpu=NO_PINNED,
                seconds=20,
            ),
            Variant(
                'bf16, channels last, compiled',
                BF16,
                channels_last=True,
                compiled='backbone',
                needs_gpu=NO_COMPILE,
                seconds=60,
            ),
        ),
        {
            'model.backbone.depth': 50,
            'model.backbone.base_channels': 8,
            'model.backbone.stem_channels': 8,
            'model.neck.in_channels': 256,
            'model.neck.hid_channels': 64,
            'model.queue_len': 64,
            'train_dataloader.batch_size': 8,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.pipeline.0.scale': 64,
        },
    ),
    Stage(
        'detector',
        'faster_rcnn',
        'faster_rcnn_ddpm_moco.py',
        (
            Variant('as shipped'),
            Variant(
                'fp16, channels last, 8 workers',
                FP16,
                channels_last=True,
                workers=8,
                needs_gpu=NO_FP16,
            ),
            Variant('fp16', FP16, needs_gpu=NO_FP16),
            Variant('fp32, channels last', 'OptimWrapper', channels_last=True),
            Variant(
                'fp32, backbone compiled',
                'OptimWrapper',
                compiled='backbone',
                needs_gpu=NO_COMPILE,
                seconds=60,
            ),
        ),
        {
            'model.backbone.base_channels': 8,
            'model.backbone.stem_channels': 8,
            'model.neck.in_channels': [32, 64, 128, 256],
            'model.neck.out_channels': 32,
            'model.rpn_head.in_channels': 32,
            'model.rpn_head.feat_channels': 32,
            'model.roi_head.bbox_roi_extractor.out_channels': 32,
            'model.roi_head.bbox_head.in_channels': 32,
            'model.roi_head.bbox_head.fc_out_channels': 64,
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
        },
    ),
)


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
        bool: Whether all variants ran.
    """
    fine = True
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
            except Exception as error:
                if not isinstance(error, torch.OutOfMemoryError):
                    traceback.print_exc()
                first = (str(error).splitlines() or [''])[0][:300]
                how = f'{type(error).__name__}: {first}'
                results.add(Row(part, name, 'error', how=how, ok=False))
                fine = False
            gc.collect()
            if device == 'cuda':
                torch.cuda.empty_cache()
    return fine


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
    hook: dict[str, Any] = dict(type='mmdet_ddpm_moco.DDPMMoCoHook')
    if (bank / 'manifest.json').exists():
        hook['bank'] = str(bank)
    if backbone.exists():
        hook['checkpoint'] = str(backbone)
    if len(hook) > 1:
        cfg.custom_hooks = [hook]
    return 'bank' in hook


class StepMeter(Hook):
    """Times steps, then profiles some.

    Args:
        rows_of (Callable): :func:`profiled_rows`, all but the step and the
            number of steps.
        warm_up (int): Steps before.
        steps (int): Steps timed.
        profiled (int): Steps profiled after.
        device (str): ``'cuda'`` or ``'cpu'``.
        variant (Variant): What to change of the model before.

    Attributes:
        seconds (float): Of the timed steps.
        waited (float): Seconds of these in which the host waited for data.
        loss (float): Of the last step.
        rows (list[Row]): Of the profile.
    """

    def __init__(
        self,
        rows_of: Callable[..., list[Row]],
        warm_up: int,
        steps: int,
        profiled: int,
        device: str,
        variant: Variant,
    ) -> None:
        self.rows_of, self.variant = rows_of, variant
        self.warm_up, self.steps, self.profiled = warm_up, steps, profiled
        self.device = device
        self.waited = self.seconds = 0.0
        self.loss = float('nan')
        self.rows: list[Row] = []
        self._ended = 0.0

    def before_train(self, runner: Runner) -> None:
        """Sets the memory layout and compiles."""
        model = runner.model
        if self.variant.channels_last:
            model.to(memory_format=torch.channels_last)
        if self.variant.compiled:
            getattr(model, self.variant.compiled).compile()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Notes how long the host waited for the batch."""
        if self.warm_up < runner.iter < self.warm_up + self.steps:
            self.waited += time.perf_counter() - self._ended

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Starts and stops the clock."""
        done = runner.iter + 1
        if done in (self.warm_up, self.warm_up + self.steps):
            if self.device == 'cuda':
                torch.cuda.synchronize()
            now = time.perf_counter()
            if done == self.warm_up:
                self._begun = now
            else:
                self.seconds = now - self._begun
                self.loss = float((outputs or {})['loss'])
                self._profile(runner)
        self._ended = time.perf_counter()

    def _profile(self, runner: Runner) -> None:
        """Profiles steps as the loop makes them, hooks included."""
        loop = runner.train_loop
        runner._hooks.remove(self)

        def step() -> None:
            loop.run_iter(next(loop.dataloader_iterator))

        self.rows = self.rows_of(step, self.profiled)
        # The loop's own count goes on.
        loop._max_iters = 0
