"""Makes sure that a detector starts from contrastive weights.

In MMEngine such weights get lost silently in two ways: no key matches, or
something that runs later overwrites them. This hook makes both an error.
"""

from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor, nn

from ...checkpoints.backbone_file import init_file, read_backbone
from ...utils.checks import check_arguments
from ...utils.dist import unwrap_model
from ...utils.errors import InputError
from ...utils.fileio import atomic_torch_save
from ..backbone_settings import (
    freezing_settings,
    stale_statistics,
    unfreeze_backbone,
)
from ..leakage import check_leakage


@HOOKS.register_module()
class ContrastiveInitHook(Hook):
    """Initializes ``model.backbone`` from a checkpoint before training.

    Of a semi-supervised detector both backbones are, the student's and the
    teacher's.

    It reads the checkpoint safely, maps its keys to the backbone's, writes
    ``<work_dir>/backbone_init.pth`` and sets the backbone's ``init_cfg`` to
    that file. When training begins, after ``load_from`` and ``resume``, it
    compares the backbone's values with the file. A resumed run keeps the
    weights it resumes. ``val()`` and ``test()`` are not changed.

    ``runner.cfg`` is not changed: the dumped config holds this hook and no
    path into a work folder, so running it again does the same.

    Args:
        checkpoint (str): A local file: of a contrastive run of this package
            or of mmpretrain, ``backbone.pth``, or weights of
            facebookresearch/moco, lightly, torchvision or timm.
        min_coverage (float): Lowest share of the backbone's weights that
            the file must fill, in (0, 1]; no more than the rest of the
            file's network may be left over. Defaults to 0.95.
        unfreeze (bool): Train the whole backbone, whatever the config's
            ``frozen_stages``, ``norm_eval`` and ``requires_grad`` of
            ``norm_cfg``. Otherwise a warning names those that freeze a part
            of it. Defaults to False.
        allow_leakage (bool): Train although validation or test images, or
            near duplicates of them, are among those that the weights were
            trained on, with a warning. Defaults to False, that is an error.

    Examples:
        >>> custom_hooks = [
        ...     dict(
        ...         type='mmdet_ddpm_moco.ContrastiveInitHook',
        ...         checkpoint='work_dirs/moco/backbone.pth',
        ...     )
        ... ]
    """

    def __init__(
        self,
        checkpoint: str,
        min_coverage: float = 0.95,
        unfreeze: bool = False,
        allow_leakage: bool = False,
    ) -> None:
        check_arguments(
            locals(),
            checkpoint=(bool(checkpoint), 'the name of a file of weights'),
            min_coverage=(0 < min_coverage <= 1, 'in (0, 1]'),
        )
        self.checkpoint = str(checkpoint)
        self.min_coverage = min_coverage
        self.unfreeze = unfreeze
        self.allow_leakage = allow_leakage
        self._backbones: list[Any] = []
        self._expected: dict[str, Tensor] | None = None

    def before_run(self, runner: Runner) -> None:
        """Prepares the weights and sets the backbone's ``init_cfg``.

        Raises:
            FileNotFoundError: The checkpoint does not exist.
            ValueError: It holds code or values that are no numbers, does not
                fit the backbone, or was trained on validation or test
                images; the model has no backbone; or another hook gives
                other weights.
        """
        # The property would build the loop, and with it the training data.
        if isinstance(runner._train_loop, BaseLoop):
            check_twins(runner, self)
            self.prepare(runner)

    def given(self) -> dict[str, Any]:
        """What this hook gives to a detector; see :func:`check_twins`."""
        settings = dict(
            checkpoint=self.checkpoint,
            min_coverage=self.min_coverage,
            unfreeze=self.unfreeze,
        )
        return dict(checkpoint=settings)

    def prepare(self, runner: Runner) -> None:
        """What ``before_run`` does, for a hook that has this one inside."""
        backbones = _backbones_of(runner)
        if backbones == self._backbones:
            return
        first = backbones[0]
        source = read_backbone(self.checkpoint, first, self.min_coverage)
        seen = {self.checkpoint: source.images_seen}
        check_leakage(runner, seen, self.allow_leakage)
        report, log = source.report, runner.logger
        log.info(f'{self.checkpoint} -> {type(first).__name__}: {report}')
        if report.missing or report.wrong_shape:
            log.warning(
                f'{len(report.missing) + len(report.wrong_shape)} entries of '
                'the backbone do not come from the checkpoint'
            )
        if self.unfreeze:
            unfreeze_backbone(runner, first)
        for line in (*freezing_settings(first), *stale_statistics(runner)):
            log.warning(line)

        file = Path(runner.work_dir) / 'backbone_init.pth'
        if is_main_process():
            atomic_torch_save(init_file(source), file)
        barrier()
        for backbone in backbones:
            # Only this type is applied after every other initializer. Swin
            # reads `init_cfg.checkpoint`, which a plain dict has not.
            backbone.init_cfg = ConfigDict(
                type='Pretrained', checkpoint=str(file), prefix='backbone.'
            )
            if getattr(backbone, 'convert_weights', False):
                # It would rename keys that have their right names already.
                backbone.convert_weights = False
        log.info(f'backbone.init_cfg set to {dict(first.init_cfg)}')
        self._backbones = backbones
        self._expected = source.weights

    def before_train(self, runner: Runner) -> None:
        """Checks that training starts from the weights.

        Raises:
            ValueError: Names what has overwritten them.
        """
        expected, self._expected = self._expected, None
        if expected is None:
            return
        if runner._resume and runner._has_loaded:
            runner.logger.info(
                f'resumed at iteration {runner.iter}: the backbone has the '
                f'weights of that run, not those of {self.checkpoint}'
            )
            return
        states = [backbone.state_dict() for backbone in self._backbones]
        for key, value in expected.items():
            # torch 2.1 zeroes the counters of batch normalization where
            # load_from has none.
            if not value.is_floating_point():
                for state in states:
                    state[key].copy_(value)
        differ = [
            key
            for key, value in expected.items()
            if not all(
                torch.equal(state[key].cpu(), value.to(state[key].dtype))
                for state in states
            )
        ]
        if differ:
            msg = (
                f'training would not start from {self.checkpoint}: '
                f'{len(differ)} of {len(expected)} weights of the backbone '
                f'(such as {differ[0]}) were replaced by '
                f'{_what_replaced_weights(runner)}'
            )
            raise InputError(msg)
        runner.logger.info(
            f'training starts from {self.checkpoint}: {len(expected)} '
            'weights of the backbone compared, all equal'
        )


def check_twins(runner: Runner, hook: Any) -> None:
    """Checks that no other hook of a run gives what this one gives.

    The same given twice is used once, with a warning.

    Args:
        runner (Runner): Has the hooks.
        hook (ContrastiveInitHook | DDPMMoCoHook): One of them.

    Raises:
        ValueError: Another hook gives another bank, other scenes or another
            checkpoint, or the same with other settings.
    """
    hooks: list[Any] = list(runner.hooks)
    for other in hooks:
        if other is hook or not hasattr(other, 'given'):
            continue
        theirs = other.given()
        for part, settings in hook.given().items():
            if part not in theirs:
                continue
            if theirs[part] != settings:
                msg = (
                    f'custom_hooks give a {part} twice: '
                    f'{_call(hook, settings)} and '
                    f'{_call(other, theirs[part])}; leave out one of them'
                )
                raise InputError(msg)
            # Once, by the last of them.
            if hooks.index(other) < hooks.index(hook):
                runner.logger.warning(
                    f'custom_hooks give the {part} {settings[part]} twice; '
                    'it is used once'
                )


def _call(hook: Any, settings: dict[str, Any]) -> str:
    given = ', '.join(f'{key}={value!r}' for key, value in settings.items())
    return f'{type(hook).__name__}({given})'


def _backbones_of(runner: Runner) -> list[Any]:
    """The backbone that is trained, then that of its teacher if it has one."""
    model = unwrap_model(runner.model)
    detectors: list[Any] = [model]
    if hasattr(model, 'student') and hasattr(model, 'teacher'):
        detectors = [model.student, model.teacher]
    found = [getattr(detector, 'backbone', None) for detector in detectors]
    if not all(isinstance(backbone, nn.Module) for backbone in found):
        msg = (
            f'{type(model).__name__} has no `backbone`; ContrastiveInitHook '
            'needs a model with one, such as the detectors of MMDetection'
        )
        raise InputError(msg)
    return found


def _what_replaced_weights(runner: Runner) -> str:
    """A clause for an error: what overwrote the backbone, and the cure."""
    model = unwrap_model(runner.model)
    suspects = []
    if runner._load_from is not None and runner._has_loaded:
        suspects.append(
            f'load_from={runner._load_from!r} (resume=True would continue a '
            'run)'
        )
    init_cfg: Any = getattr(model, 'init_cfg', None) or []
    suspects += [
        f'model.init_cfg, which loads {cfg["checkpoint"]!r} into the whole '
        f'{type(model).__name__}'
        for cfg in ([init_cfg] if isinstance(init_cfg, dict) else init_cfg)
        if 'checkpoint' in cfg
    ]
    if suspects:
        return ' or '.join(suspects) + '; remove it, or this hook'
    return (
        f'something else: {type(_backbones_of(runner)[0]).__name__} does not '
        f'follow its init_cfg, {type(model).__name__} was initialized before '
        'the run, or another hook loaded weights'
    )
