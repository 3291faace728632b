"""A detector starts from contrastive weights, or does not start.

The two ways in which such weights get lost are silent in MMEngine: no key
matches, or something that runs later overwrites them. This hook makes both
an error.
"""

from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor, nn

from ...checkpoints.backbone_file import init_file, read_backbone
from ...utils.dist import unwrap_model
from ...utils.errors import InputError
from ...utils.fileio import atomic_torch_save
from ..backbone_settings import settings_that_hold_back, unfreeze_in
from ..leakage import check_leakage


def backbone_of(runner: Runner) -> nn.Module:
    """The model's ``backbone``.

    Args:
        runner (Runner): Of a detector.

    Returns:
        nn.Module: The backbone.

    Raises:
        ValueError: The model has none.
    """
    model = unwrap_model(runner.model)
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, nn.Module):
        msg = (
            f'{type(model).__name__} has no `backbone`; ContrastiveInitHook '
            'needs a model with one, such as the detectors of MMDetection'
        )
        raise InputError(msg)
    return backbone


def what_replaced_weights(runner: Runner) -> str:
    """Says what loads over a backbone's weights, and what to do.

    Args:
        runner (Runner): About to train; its weights are loaded.

    Returns:
        str: A clause for an error message.
    """
    model = unwrap_model(runner.model)
    suspects = []
    if runner._load_from is not None and runner._has_loaded:
        suspects.append(
            f'load_from={runner._load_from!r} (resume=True would continue a '
            'run)'
        )
    init_cfg = getattr(model, 'init_cfg', None) or []
    suspects += [
        f'model.init_cfg, which loads {cfg["checkpoint"]!r} into the whole '
        f'{type(model).__name__}'
        for cfg in ([init_cfg] if isinstance(init_cfg, dict) else init_cfg)
        if 'checkpoint' in cfg
    ]
    if suspects:
        return ' or '.join(suspects) + '; remove it, or this hook'
    return (
        f'something else: {type(backbone_of(runner)).__name__} does not '
        f'follow its init_cfg, {type(model).__name__} was initialized before '
        'the run, or another hook loaded weights'
    )


@HOOKS.register_module()
class ContrastiveInitHook(Hook):
    """Has ``model.backbone`` start training from a checkpoint.

    Before training it reads the checkpoint safely, maps its keys to the
    backbone's, writes ``<work_dir>/backbone_init.pth`` and points the
    backbone's ``init_cfg`` at that file, in place of whatever stood there.
    When training is about to begin, after ``load_from`` and ``resume``, it
    compares the backbone's values with the file. A resumed run keeps the
    weights it resumes. ``val()`` and ``test()`` are left alone.

    ``runner.cfg`` is not changed: the dumped config holds this hook's line
    and no path into a work folder, so running it again does the same.

    Args:
        checkpoint (str): A local file: of a contrastive run of this package
            or of mmpretrain, ``backbone.pth``, or weights of
            facebookresearch/moco, lightly, torchvision or timm.
        min_coverage (float): Lowest share of the backbone's weights that
            the file must fill, in (0, 1]; no more than the rest of the
            file's network may be left over. Defaults to 0.95.
        unfreeze (bool): Train the whole backbone, whatever the config says
            of ``frozen_stages``, ``norm_eval`` and the ``requires_grad`` of
            ``norm_cfg``. Otherwise a warning tells where these keep the
            weights from being fine-tuned. Defaults to False.
        allow_leakage (bool): Train although validation or test images, or
            near duplicates of them, are among those that the weights were
            trained on, with a warning. Defaults to False, that is an error.

    Raises:
        ValueError: If ``min_coverage`` is out of range or ``checkpoint`` is
            empty.
    """

    def __init__(
        self,
        checkpoint: str,
        min_coverage: float = 0.95,
        unfreeze: bool = False,
        allow_leakage: bool = False,
    ) -> None:
        if not 0 < min_coverage <= 1:
            msg = f'min_coverage={min_coverage} must be in (0, 1]'
            raise InputError(msg)
        if not checkpoint:
            msg = f'checkpoint={checkpoint!r} must name a file of weights'
            raise InputError(msg)
        self.checkpoint = str(checkpoint)
        self.min_coverage = min_coverage
        self.unfreeze = unfreeze
        self.allow_leakage = allow_leakage
        self._backbone: nn.Module | None = None
        self._expected: dict[str, Tensor] | None = None

    def before_run(self, runner: Runner) -> None:
        """Prepares the weights and points the backbone at them.

        Args:
            runner (Runner): Its train loop is built if it is to train.

        Raises:
            FileNotFoundError: If the checkpoint is not there.
            ValueError: If it holds code, holds values that are no numbers,
                does not fit the backbone, or has seen validation or test
                images; or the model has no backbone.
        """
        # The property would build the loop, and with it the training data.
        if not isinstance(runner._train_loop, BaseLoop):
            return
        backbone = backbone_of(runner)
        if backbone is self._backbone:
            return
        source = read_backbone(self.checkpoint, backbone, self.min_coverage)
        seen = {self.checkpoint: source.images_seen}
        check_leakage(runner, seen, self.allow_leakage)
        report, log = source.report, runner.logger
        log.info(f'{self.checkpoint} -> {type(backbone).__name__}: {report}')
        if report.missing or report.wrong_shape:
            log.warning(
                f'{len(report.missing) + len(report.wrong_shape)} entries of '
                'the backbone do not come from the checkpoint'
            )
        if self.unfreeze:
            unfreeze_in(runner)
        for line in settings_that_hold_back(backbone):
            log.warning(line)

        file = Path(runner.work_dir) / 'backbone_init.pth'
        if is_main_process():
            atomic_torch_save(init_file(source), file)
        barrier()
        # Only this type is applied after every other initializer. Swin reads
        # `init_cfg.checkpoint`, which a plain dict has not.
        backbone.init_cfg = ConfigDict(
            type='Pretrained', checkpoint=str(file), prefix='backbone.'
        )
        if getattr(backbone, 'convert_weights', False):
            # It would rename keys that have their right names already.
            backbone.convert_weights = False
        log.info(f'backbone.init_cfg set to {dict(backbone.init_cfg)}')
        self._backbone = backbone
        self._expected = source.weights

    def before_train(self, runner: Runner) -> None:
        """Checks that training starts from the weights.

        Args:
            runner (Runner): Its weights are initialized, loaded, resumed.

        Raises:
            ValueError: If something has overwritten them. Names it.
        """
        expected, self._expected = self._expected, None
        if expected is None:
            return
        if runner._resume and runner._has_loaded:
            runner.logger.info(
                f'resumed at iteration {runner.iter}: the backbone goes on '
                f'from there, not from {self.checkpoint}'
            )
            return
        state = self._backbone.state_dict()
        differ = [
            key
            for key, value in expected.items()
            if not torch.equal(state[key].cpu(), value.to(state[key].dtype))
        ]
        if differ:
            msg = (
                f'training would not start from {self.checkpoint}: '
                f'{len(differ)} of {len(expected)} weights of the backbone '
                f'(such as {differ[0]}) were replaced by '
                f'{what_replaced_weights(runner)}'
            )
            raise InputError(msg)
        runner.logger.info(
            f'training starts from {self.checkpoint}: {len(expected)} '
            'weights of the backbone compared, all equal'
        )
