"""The options of a bank, and the settings that its manifest states.

Importing this needs neither torch nor diffusers: the command line and the
stages of a detector whose bank is finished read the options alone.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils.errors import InputError

if TYPE_CHECKING:
    from .generator import Generator

SAMPLERS = ('dpmsolver++', 'ddim', 'unipc', 'ddpm')
DEFAULT_MIX = dict(add=0.4, replaces=0.5, null=0.1)


@dataclass(frozen=True)
class BankOptions:
    """What a user may choose about the windows of a bank.

    Attributes:
        sampler (str): One of ``SAMPLERS``. Defaults to 'dpmsolver++'.
        num_inference_steps (int): Denoising steps from pure noise. Defaults
            to 20.
        strength (float): How far ``replaces`` windows depart from their
            source, in (0, 1]. Others start from pure noise. Defaults to 0.6.
        guidance_scale (float): Weight of the class, see
            :func:`sample_windows`. Defaults to 1.0.
        max_window (int): Side in pixels of the largest square window, see
            :func:`window_size`. Defaults to 128.
        mix (Mapping[str, float]): Share of ``add``, ``replaces`` and
            ``null`` windows. Defaults to 0.4, 0.5 and 0.1.
        seed (int): Seed, >= 0. Defaults to 0.
        per_class (Mapping[str, float]): Weights of classes, 1 for those not
            named. Defaults to none, all alike.
    """

    sampler: str = SAMPLERS[0]
    num_inference_steps: int = 20
    strength: float = 0.6
    guidance_scale: float = 1.0
    max_window: int = 128
    mix: Mapping[str, float] = field(default_factory=lambda: {**DEFAULT_MIX})
    seed: int = 0
    per_class: Mapping[str, float] = field(default_factory=dict)


def bank_settings(
    generator: 'Generator', ann_file: str | Path, options: BankOptions
) -> dict[str, Any]:
    """All that the windows of a bank depend on, as in its manifest.

    ``ann_file`` is the COCO json of the training images. The result has JSON
    types only.

    Raises:
        ValueError: An option is out of range, or the generator does not
            support it.
    """
    from ..models.conditioning import MASK
    from .samplers import build_sampler, check_sampling

    check_sampling(
        build_sampler(options.sampler, generator.scheduler),
        options.num_inference_steps,
        options.strength,
    )
    if generator.conditioning != MASK:
        msg = (
            "a bank needs a generator with conditioning='mask', this one has "
            f'{generator.conditioning!r}, which does not determine where the '
            'defects of a window are'
        )
        raise InputError(msg)
    if options.guidance_scale != 1 and generator.null_label is None:
        msg = (
            f'guidance_scale={options.guidance_scale} needs a generator that '
            'was trained with class_dropout above 0; train one, or use 1'
        )
        raise InputError(msg)
    return dict(
        generator=generator.fingerprint,
        # Keys of the bank format, older than the names of the options.
        sampler=dict(
            name=options.sampler,
            steps=options.num_inference_steps,
            strength=options.strength,
            guidance=options.guidance_scale,
        ),
        max_window=options.max_window,
        mix=dict(options.mix),
        seed=options.seed,
        training_split=dict(
            ann_file=Path(ann_file).name,
            sha256=hashlib.sha256(Path(ann_file).read_bytes()).hexdigest(),
        ),
        classes=list(generator.classes),
        per_class=dict(options.per_class),
    )


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
