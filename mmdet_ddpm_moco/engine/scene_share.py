"""How often a detector is shown scenes, where the config does not say."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..bank.scenes import Scenes
from .pipelines import loading_datasets
from .training_set_checks import infos

# Half true labels, half those of teachers: on NEU-DET more of them was less.
MOST = 0.5

# Samples that are looked at, evenly over the training set.
COUNTED = 10_000


def scene_share(scenes: Scenes, dataset: Any) -> float:
    """Probability with which a scene comes as often as a labeled defect.

    That is as often as a labeled image with a defect does on average, and at
    most one half in all. Where teachers find few defects, each of twenty
    scenes would else be seen a hundred times, with the same errors in its
    labels.

    Of S usable scenes and D labeled images with a defect, which are a share f
    of the samples, it is S f / (S f + D): each scene comes with p / S, each
    such image with (1 - p) f / D.

    Args:
        scenes (Scenes): Those that are usable count.
        dataset (Any): The training set, built; its wrappers, which may
            repeat images, count.

    Returns:
        float: In [0, ``MOST``]; that where no labeled image has a defect.
    """
    inside = loading_datasets(dataset)
    defective = count_defective(inside)
    if not defective:
        return MOST
    if hasattr(dataset, 'get_data_info'):
        # A wrapper may repeat each image many times.
        counted = range(0, len(dataset), 1 + len(dataset) // COUNTED)
        found = [_has_defect(dataset.get_data_info(i)) for i in counted]
        share = sum(found) / len(found)
    else:  # one that mixes images does not say what is in its samples
        share = defective / sum(map(len, inside))
    weight = len(scenes.usable()) * share
    return min(MOST, weight / (weight + defective))


def count_defective(datasets: Sequence[Any]) -> int:
    """How many samples of built data sets have a box that is not ignored."""
    return sum(
        _has_defect(info) for dataset in datasets for info in infos(dataset)
    )


def _has_defect(info: Mapping[str, Any]) -> bool:
    return any(not i.get('ignore_flag') for i in info.get('instances') or ())
