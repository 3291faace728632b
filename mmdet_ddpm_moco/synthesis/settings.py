"""Options of a bank, and where its images are.

Importing this needs neither torch nor diffusers: so the command line starts
fast, and a detector whose bank is finished does not need diffusers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..utils.errors import InputError

SAMPLERS = ('dpmsolver++', 'ddim', 'unipc', 'ddpm')
DEFAULT_MIX = dict(add=0.4, replaces=0.5, null=0.1)


@dataclass(frozen=True)
class BankOptions:
    """What a user may choose about the windows of a bank."""

    sampler: str = SAMPLERS[0]
    num_inference_steps: int = 10  # denoising steps from pure noise
    # How far `replaces` windows depart from their source, in (0, 1]. Others
    # start from pure noise.
    strength: float = 0.6
    guidance_scale: float = 1.0  # weight of the class, see sample_windows()
    # Side in pixels of the largest square window, see window_size().
    max_window: int = 128
    # Shares of `add`, `replaces` and `null` windows.
    mix: Mapping[str, float] = field(default_factory=lambda: {**DEFAULT_MIX})
    seed: int = 0  # >= 0
    # Weights of classes, 1 for those not named.
    per_class: Mapping[str, float] = field(default_factory=dict)
    # Share of windows that follow what detectors miss, see WindowPlanner.
    missed: float = 0.0


def training_images(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Finds the training images in the config of a generator.

    Returns:
        dict: ``ann_file``, ``img_prefix`` and ``channels``, as
        ``LabeledImages`` takes them.

    Raises:
        ValueError: It is no such config.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if not dataset.get('ann_file') or not dataset.get('img_prefix'):
        msg = (
            f'{getattr(cfg, "filename", "the config")} is no config of a '
            'generator (configs/ddpm): it lacks train_dataloader.dataset '
            'with ann_file and img_prefix'
        )
        raise InputError(msg)
    return dict(
        ann_file=dataset['ann_file'],
        img_prefix=dataset['img_prefix'],
        channels=dataset.get('channels', 1),
    )
