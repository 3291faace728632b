"""How often a detector is shown scenes, where the config does not say."""

from collections.abc import Sequence
from typing import Any

from ..bank.scenes import Scenes
from .training_set_checks import infos

# Half true labels, half those of teachers: on NEU-DET more of them was less.
MOST = 0.5


def scene_share(scenes: Scenes, datasets: Sequence[Any]) -> float:
    """Share of scenes among all images with a defect, at most one half.

    Where teachers find few defects, each scene is so drawn about as often as
    a labeled image with a defect. With one half each of twenty scenes would
    be seen a hundred times, with the same errors in its labels.

    Args:
        scenes (Scenes): Those that are usable count.
        datasets (Sequence): Built, that load annotations.

    Returns:
        float: In [0, ``MOST``].
    """
    number = len(scenes.usable())
    return min(MOST, number / max(1, number + count_defective(datasets)))


def count_defective(datasets: Sequence[Any]) -> int:
    """How many images of built data sets have a box that is not ignored."""
    return sum(
        any(not i.get('ignore_flag') for i in info.get('instances') or ())
        for dataset in datasets
        for info in infos(dataset)
    )
