"""The stages before a detector: generator, bank, backbone.

A detector config says in ``stages`` how they are made::

    stages = dict(
        root='work_dirs/neu_det',
        generator=dict(config='ddpm/ddpm_unet64_1xb64-20ki_neu-det.py'),
        bank=dict(num=2000),
        backbone=dict(config='mocov2/mocov2_r50_1xb128-coslr-200e_neu-det.py'))

They lie at fixed places below ``root`` (``ddpm/``, ``bank/``, ``moco/``), and
a stage is made only if the detector reads what it makes.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log

from ..utils.dist import all_ranks, main_process_first
from ..utils.errors import InputError, MissingFileError
from ..utils.paths import find_config
from .inputs import ann_files, inputs_of
from .leakage import check_planned_leakage
from .training import can_resume, is_finished, set_aside, train

BANK_OPTIONS = (
    'sampler',
    'steps',
    'strength',
    'guidance',
    'max_window',
    'mix',
    'seed',
    'per_class',
)


@dataclass
class Stage:
    """One stage.

    Attributes:
        name (str): What the user knows it by.
        output (Path): What later stages read.
        fresh (Callable): Whether ``output`` is there and up to date.
        make (Callable): Makes it.
        command (str): The command line that does the same.
        config (Config | None): What is trained; None of the bank, which is
            made from the images of its generator.
    """

    name: str
    output: Path
    fresh: Callable[[], bool]
    make: Callable[[], None]
    command: str
    config: Config | None = None


def stages_of(cfg: Config, launcher: str = 'none') -> list[Stage]:
    """The stages that a detector needs and its config can make, in order.

    Args:
        cfg (Config): The detector's.
        launcher (str): As for ``tools/train.py``. Defaults to 'none'.

    Returns:
        list[Stage]: Possibly empty.

    Raises:
        FileNotFoundError: A bank or checkpoint is missing that no stage
            makes, or a stage's config is.
    """
    recipe = cfg.get('stages') or {}
    root = Path(recipe.get('root', cfg.get('work_dir', 'work_dirs')))
    banks, checkpoints = inputs_of(cfg)
    stages = []
    bank, checkpoint = root / 'bank', root / 'moco' / 'backbone.pth'
    moco = None
    if _among(checkpoint, checkpoints) and 'backbone' in recipe:
        moco = _stage_config(cfg, 'backbone', root / 'moco', launcher)
        # Windows of the bank may join in the contrast.
        files = ann_files(moco.get('train_dataloader'))
        banks |= {str(bank)} & {str(Path(file).parent) for file in files}
    if _among(bank, banks) and 'bank' in recipe:
        ddpm = _stage_config(cfg, 'generator', root / 'ddpm', launcher)
        generator = root / 'ddpm' / 'generator'
        options = recipe['generator'].get('options')
        stages.append(_training_stage('generator', ddpm, generator, options))
        stages.append(_bank_stage(ddpm, generator, bank, recipe['bank']))
    if moco is not None:
        options = recipe['backbone'].get('options')
        stages.append(_training_stage('backbone', moco, checkpoint, options))
    made = {stage.output for stage in stages}
    for path in sorted(banks | checkpoints):
        if not _among(path, made) and not Path(path).exists():
            tool = (
                'tools/synthesize.py'
                if path in banks
                else 'tools/train.py and a config of configs/moco'
            )
            msg = (
                f'{path}, which {cfg.filename} reads, is not there and '
                f'its `stages` do not make it; make it with {tool}'
            )
            raise MissingFileError(msg)
    return stages


def _among(path: str | Path, others: Iterable[str | Path]) -> bool:
    return Path(path).resolve() in {Path(other).resolve() for other in others}


def prepare(cfg: Config, launcher: str = 'none') -> None:
    """Makes what a detector reads and is missing or stale.

    Args:
        cfg (Config): The detector's.
        launcher (str): As for ``tools/train.py``. Defaults to 'none'.

    Raises:
        FileNotFoundError: See :func:`stages_of`.
        ValueError: A stage would see the detector's validation or test
            images, or leaves nothing.
    """
    stages = stages_of(cfg, launcher)
    check_planned_leakage(cfg, {s.name: s.config for s in stages if s.config})
    for number, stage in enumerate(stages, 1):
        head = f'stage {number} of {len(stages)}, {stage.name}: '
        # The others would look while it already works.
        if main_process_first(stage.fresh):
            print_log(f'{head}{stage.output} is up to date, reused')
            continue
        print_log(f'{head}making {stage.output}')
        stage.make()
        barrier()
        if not stage.output.exists():
            msg = (
                f'the {stage.name} stage ran but left no {stage.output}; '
                'does its config export what it trains?'
            )
            raise InputError(msg)
    if stages:
        print_log('all stages are ready, the detector follows')


def check_prepared(cfg: Config) -> None:
    """Raises if something that a detector reads is missing or stale.

    Args:
        cfg (Config): The detector's.

    Raises:
        ValueError: Names it, and the commands that make it.
    """
    stages = stages_of(cfg)
    for first, stage in enumerate(stages):
        if not stage.fresh():
            commands = '\n  '.join(s.command for s in stages[first:])
            msg = (
                f'{stage.output} is missing or stale and --no-prepare was '
                f'given; these commands make it and what follows:\n  '
                f'{commands}'
            )
            raise InputError(msg)


def _stage_config(
    cfg: Config, name: str, work_dir: Path, launcher: str
) -> Config:
    if 'config' not in cfg.stages.get(name, {}):
        msg = f'stages of {cfg.filename} has no {name}=dict(config=...)'
        raise InputError(msg)
    path = find_config(cfg.stages[name]['config'], cfg.filename)
    stage = Config.fromfile(path)
    stage.merge_from_dict(dict(cfg.stages[name].get('options') or {}))
    stage.work_dir = str(work_dir)
    stage.launcher = launcher
    return stage


def _training_stage(
    name: str, cfg: Config, output: Path, options: Mapping | None
) -> Stage:

    def fresh() -> bool:
        return output.exists() and is_finished(cfg)

    def make() -> None:
        resume = can_resume(cfg)
        if resume:
            print_log(f'going on with the unfinished run in {cfg.work_dir}')
        elif is_main_process():
            _say_aside(set_aside(cfg.work_dir))
        barrier()
        train(cfg, resume=resume)

    command = f'python tools/train.py {cfg.filename} --work-dir {cfg.work_dir}'
    if options:
        given = ' '.join(f'{key}={value}' for key, value in options.items())
        command += f' --cfg-options {given}'
    return Stage(name, output, fresh, make, command, cfg)


def _bank_stage(
    ddpm: Config, generator: Path, out: Path, recipe: Mapping
) -> Stage:
    dataset = ddpm.train_dataloader.dataset
    options = dict(recipe)
    num = options.pop('num', None)
    unknown = sorted(set(options) - set(BANK_OPTIONS))
    if num is None or unknown:
        wrong = f'has no {", ".join(unknown)}' if unknown else 'needs num'
        msg = (
            f'stages.bank {wrong}; it takes num and {", ".join(BANK_OPTIONS)}'
        )
        raise InputError(msg)

    def settings() -> dict:
        # Synthesis needs diffusers; a detector that reuses its bank does not.
        from ..synthesis.generator import load_generator
        from ..synthesis.settings import bank_settings

        return bank_settings(
            load_generator(generator), dataset.ann_file, **options
        )

    def fresh() -> bool:
        manifest = out / 'manifest.json'
        # Settings are left where a run was killed before it cleared up.
        if not manifest.is_file() or (out / 'settings.json').exists():
            return False
        if not generator.exists():
            return False
        found = json.loads(manifest.read_bytes())
        return found['asked'] == num and settings().items() <= found.items()

    def clear_the_way() -> None:
        from ..bank.lock import is_started, locked

        if not out.exists() or is_started(out, settings()):
            return
        with ExitStack() as held:
            if (out / 'settings.json').exists():
                # Another run may be writing what is to be moved.
                held.enter_context(locked(out))
            _say_aside(set_aside(out))

    def make() -> None:
        from ..synthesis.generator import load_generator
        from ..synthesis.run import synthesize_bank

        main_process_first(clear_the_way)
        synthesize_bank(
            all_ranks(lambda: load_generator(generator)),
            dataset.ann_file,
            dataset.img_prefix,
            out,
            num=num,
            **options,
        )

    flags = ' '.join(
        f'--{key.replace("_", "-")} {_flag(value)}'
        for key, value in options.items()
    )
    return Stage(
        'bank',
        out,
        fresh,
        make,
        (
            f'python tools/synthesize.py {ddpm.filename} --generator '
            f'{generator} --out {out} --num {num} {flags}'
        ).rstrip(),
    )


def _flag(value: object) -> str:
    if isinstance(value, dict):
        return ' '.join(f'{k}={v}' for k, v in value.items())
    return str(value)


def _say_aside(aside: Path | None) -> None:
    if aside is not None:
        print_log(f'what was there belongs to other settings; kept as {aside}')
