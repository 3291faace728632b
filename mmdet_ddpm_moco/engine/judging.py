"""Loads the detector that judges synthesised defects."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ..evaluation.judge import Judge
from ..paths import find_config
from .checkpoints import load_weights_only, weights_of


def load_judge(
    config: str | Path,
    checkpoint: str | Path,
    classes: Sequence[str],
    device: str,
) -> Judge:
    """Loads a trained detector.

    Args:
        config (str | Path): Its config.
        checkpoint (str | Path): Its checkpoint.
        classes (Sequence[str]): Class names of the bank.
        device (str): Where it runs.

    Returns:
        Judge: The detector.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The checkpoint is unsafe or does not fit.
    """
    loaded = load_weights_only(checkpoint)
    return Judge(
        Config.fromfile(find_config(config)),
        weights_of(loaded, checkpoint),
        loaded.get('meta') or {},
        classes,
        str(checkpoint),
        device,
    )
