"""What a bank is asked to be, and all that its windows depend on."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ..models.conditioning import MASK
from ..utils.errors import InputError
from .generator import Generator
from .samplers import build_sampler
from .sampling import check_sampling

DEFAULT_MIX = dict(add=0.4, replaces=0.5, null=0.1)


def bank_settings(
    generator: Generator,
    ann_file: str | Path,
    *,
    sampler: str = 'dpmsolver++',
    steps: int = 20,
    strength: float = 0.6,
    guidance: float = 1.0,
    max_window: int = 128,
    mix: Mapping[str, float] = DEFAULT_MIX,
    seed: int = 0,
    per_class: Mapping[str, float] | None = None,
) -> dict:
    """All that the windows of a bank depend on, as its manifest states it.

    Args:
        generator (Generator): From :func:`load_generator`.
        ann_file (str | Path): COCO json of the training images.
        sampler (str): One of ``SAMPLERS``. Defaults to 'dpmsolver++'.
        steps (int): Sampler steps from pure noise. Defaults to 20.
        strength (float): How far ``replaces`` windows go from their source,
            in (0, 1]. Others start from pure noise. Defaults to 0.6.
        guidance (float): Weight of the class, see :func:`sample_windows`.
            Defaults to 1.0.
        max_window (int): Side in pixels of the largest square window, see
            :func:`window_size`. Defaults to 128.
        mix (Mapping[str, float]): Share of ``add``, ``replaces`` and
            ``null`` windows. Defaults to 0.4, 0.5 and 0.1.
        seed (int): Seed, >= 0. Defaults to 0.
        per_class (Mapping[str, float] | None): Weights of classes, 1 for
            those not named. Defaults to None, all alike.

    Returns:
        dict: JSON types.

    Raises:
        ValueError: An argument is out of range, or nothing the generator
            can do.
    """
    check_sampling(
        build_sampler(sampler, generator.scheduler), steps, strength
    )
    if generator.conditioning != MASK:
        msg = (
            "a bank needs a generator with conditioning='mask', this one "
            f'has {generator.conditioning!r}: nobody knows where in a window '
            'its defects lie'
        )
        raise InputError(msg)
    if guidance != 1 and generator.null_label is None:
        msg = (
            f'guidance={guidance} needs a generator that was trained with '
            'class_dropout above 0; train one, or use guidance 1'
        )
        raise InputError(msg)
    return dict(
        generator=generator.fingerprint,
        sampler=dict(
            name=sampler, steps=steps, strength=strength, guidance=guidance
        ),
        max_window=max_window,
        mix=dict(mix),
        seed=seed,
        training_split=dict(
            ann_file=Path(ann_file).name,
            sha256=hashlib.sha256(Path(ann_file).read_bytes()).hexdigest(),
        ),
        classes=list(generator.classes),
        per_class=dict(per_class or {}),
    )
