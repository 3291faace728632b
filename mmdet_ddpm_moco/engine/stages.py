"""The stages before a detector: generator, bank, backbone, teachers.

A detector config says in ``stages`` how they are made::

    stages = dict(
        root='work_dirs/neu_det',
        generator=dict(config='ddpm/ddpm_unet64_1xb64-20ki_neu-det.py'),
        bank=dict(num=2000),
        backbone=dict(config='mocov2/mocov2_r50_1xb128-coslr-200e_neu-det.py'),
        teacher=dict(unlabeled='data/NEU-DET/annotations/unlabeled.json'))

Their outputs are ``root/ddpm/generator``, ``root/bank``,
``root/moco/backbone.pth`` and ``root/scenes``. A stage is made only if the
detector reads its output, None is one that the config does not have. A
``DDPMMoCoHook`` without ``bank``, ``checkpoint`` and ``scenes`` reads the
outputs of all of them. ``options`` of a stage replace settings of its
config; teachers without a ``config`` have the detector's, see
:mod:`~mmdet_ddpm_moco.engine.teacher_stage`. With ``scenes=True`` the
generator learns from the scenes, too, and the bank has windows on them; the
backbone learns from the kinds that they tell, and teachers then start without
it. It also does if a source of its config has ``root/scenes/defects.json`` as
``ann_file``, and from the bank with ``root/bank/annotations.json``.
"""

from collections.abc import Sequence

from mmengine.config import Config
from mmengine.dist import barrier
from mmengine.logging import print_log

from ..utils.dist import long_timeout_group, main_process_first
from ..utils.errors import InputError
from .admission import admit
from .inputs import stage_outputs, stages_root
from .leakage import check_planned_leakage
from .run_record import RunRecord
from .stage import Stage, sole_maker
from .stage_plan import stages_of


def prepare(cfg: Config, launcher: str = 'none') -> None:
    """Makes what a detector reads and is missing or stale.

    With ``stages.admission``, first what it turns away is left out of the
    config. With stages, a record of them is in the work folder, see
    :mod:`~mmdet_ddpm_moco.engine.run_record`.

    Raises:
        FileNotFoundError: See :func:`stages_of`.
        ValueError: A stage would be trained on the detector's validation or
            test images, or leaves no output.
    """
    stages = stages_of(cfg, launcher)
    check_planned_leakage(cfg, {s.name: s.images for s in stages if s.images})
    if not stages:
        if unread := stage_outputs(cfg):
            print_log(
                f'warning: no DDPMMoCoHook reads the {", ".join(unread)} that '
                f'the stages of {cfg.filename} describe, so none is made'
            )
        return
    with sole_maker(stages_root(cfg)):
        if admit(cfg):
            stages = stages_of(cfg, launcher)
        _make(cfg, stages)


def _make(cfg: Config, stages: Sequence[Stage]) -> None:
    """Makes what is not up to date."""
    record = RunRecord(cfg, stages)
    for number, stage in enumerate(stages):
        head = f'stage {number + 1} of {len(stages)}, {stage.name}: '
        # Another rank might check while this one already works.
        if main_process_first(stage.fresh, long_timeout_group()):
            record.reuse(number)
            print_log(f'{head}{stage.output} is up to date, reused')
            continue
        record.begin(number)
        print_log(f'{head}making {stage.output}')
        stage.make()
        barrier()
        if not stage.output.exists():
            msg = (
                f'the {stage.name} stage ran but left no {stage.output}; '
                'does its config export what it trains?'
            )
            raise InputError(msg)
        record.end(number)
    print_log('all stages are ready, the detector follows')


def check_prepared(cfg: Config) -> None:
    """Checks that all that a detector reads is there and up to date.

    Raises:
        ValueError: Names what is not, and the commands that make it.
    """
    admit(cfg, make=False)
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
