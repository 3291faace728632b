"""Trains a detector for some steps with the line, and watches what arrives."""

import math
import traceback
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from benchmarks.detectors.shrink import shrink
from mmdet_ddpm_moco.engine.pipelines import type_name
from mmdet_ddpm_moco.utils.errors import UserError

LINE = 'mmdet_ddpm_moco.DDPMMoCoHook'


@HOOKS.register_module()
class WatchHook(Hook):
    """Compares weights at the start, and looks at labels and losses.

    Attributes:
        weights (bool): Every backbone started from the weights.
        bank (bool): A label of the bank's class has been seen.
        outside (float): How far boxes reach out of their images, in pixels.
        finite (bool): All losses were numbers.
        steps (int): Taken.
    """

    priority = 'LOWEST'
    expected: dict[str, torch.Tensor] = {}
    last: 'WatchHook'

    def __init__(self) -> None:
        WatchHook.last = self
        self.weights, self.bank, self.finite = True, False, True
        self.outside, self.steps = 0.0, 0

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Looks at weights and labels."""
        if not self.steps:
            for backbone in backbones(runner.model):
                state = backbone.state_dict()
                self.weights &= all(
                    torch.equal(state[key], value)
                    for key, value in self.expected.items()
                )
        samples = data_batch['data_samples']
        branches = samples.values() if isinstance(samples, dict) else [samples]
        for sample in (s for branch in branches for s in branch if s):
            truth = sample.gt_instances
            self.bank |= bool((truth.labels == 1).any())
            boxes = getattr(truth.bboxes, 'tensor', truth.bboxes)
            if len(boxes):
                height, width = sample.img_shape[:2]
                limits = boxes.new_tensor([width, height] * 2)
                self.outside = max(
                    self.outside,
                    float((-boxes).max()),
                    float((boxes - limits).max()),
                )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Looks at the losses."""
        self.steps += 1
        self.finite &= math.isfinite(float((outputs or {})['loss']))


def backbones(model: Any) -> list[torch.nn.Module]:
    """The backbone of a detector, or those of its student and teacher."""
    parts = [getattr(model, name, None) for name in ('student', 'teacher')]
    return [part.backbone for part in ([model] if None in parts else parts)]


def check(file: Path, data: Path, out: Path) -> dict[str, Any]:
    """Tries a config with bank and weights, else with the bank alone.

    Args:
        file (Path): A config of MMDetection.
        data (Path): From :func:`write_data`.
        out (Path): For the runs.

    Returns:
        dict: ``outcome`` (``'both'``, ``'bank'``, ``'refused'``,
        ``'missing'`` for a package, or ``'error'``), ``why`` (str) and
        ``notes`` (list of str).
    """
    found = _try(file, data, out / 'both', weights=True)
    if found['outcome'] in ('refused', 'error'):
        alone = _try(file, data, out / 'bank', weights=False)
        if alone['outcome'] == 'bank':
            return dict(alone, why=found['why'])
    return found


def _try(file: Path, data: Path, out: Path, *, weights: bool) -> dict:
    register_all_modules(init_default_scope=True)
    cfg = Config.fromfile(file)
    line = dict(type=LINE, bank=str(data / 'bank'), prob=1.0)
    notes: list[str] = []
    try:
        notes = shrink(cfg, data, out)
        WatchHook.expected = {}
        if weights:
            line['checkpoint'] = str(_write_weights(cfg, out))
        # A config that has the line already is tried with this one.
        cfg.pop('stages', None)
        cfg.custom_hooks = [
            *(
                hook
                for hook in cfg.get('custom_hooks') or ()
                if type_name(hook) != type_name(line)
            ),
            line,
            dict(type='WatchHook'),
        ]
        cfg.experiment_name = out.parent.name + out.name
        Runner.from_cfg(cfg).train()
    except UserError as error:
        return dict(outcome='refused', why=_line(error), notes=notes)
    except ImportError as error:
        return dict(outcome='missing', why=_line(error), notes=notes)
    except Exception as error:
        traceback.print_exc()
        why = f'{type(error).__name__}: {_line(error)}'
        return dict(outcome='error', why=why, notes=notes)
    seen = WatchHook.last
    wrong = {
        'no window arrived': not seen.bank,
        'weights did not arrive': not seen.weights,
        'a loss is no number': not seen.finite,
        f'boxes reach out by {seen.outside:.1f} pixels': seen.outside > 1,
        'no step was taken': not seen.steps,
    }
    why = '; '.join(text for text, applies in wrong.items() if applies)
    good = 'both' if weights else 'bank'
    return dict(outcome='error' if why else good, why=why, notes=notes)


def _write_weights(cfg: Config, out: Path) -> Path:
    """Weights that no initializer gives, for the detector's backbone."""
    detector = cfg.model.get('detector', cfg.model)
    backbone = MODELS.build(dict(detector.backbone, init_cfg=None))
    # As it is built, so that losses stay numbers, yet unlike any start.
    state = {
        key: 0.9 * value if value.is_floating_point() else value
        for key, value in backbone.state_dict().items()
    }
    WatchHook.expected = {
        k: v for k, v in state.items() if v.is_floating_point()
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / 'weights.pth'
    torch.save(
        dict(state_dict={f'backbone.{k}': v for k, v in state.items()}), path
    )
    return path


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [''])[0][:200]
