"""Counts what the lists of a conversion hold."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .collect import Sample

# Class of images without boxes; no class has an empty name.
NO_CLASS = ''


def count_list(
    samples: Sequence[Sample],
    classes: Sequence[str],
    group_of: Mapping[str, int],
) -> dict[str, Any]:
    """Images, boxes and groups of one list, by class and in all.

    Crowd regions are no boxes, but their images are not defect-free.
    """
    images: Counter[str] = Counter()
    boxes: Counter[str] = Counter()
    groups: dict[str, set[int]] = defaultdict(set)
    for sample in samples:
        names = [box.name for box in sample.boxes or ()]
        images.update(set(names))
        boxes.update(box.name for box in sample.boxes or () if not box.crowd)
        for name in names or [NO_CLASS]:
            groups[name].add(group_of[sample.name])
    return dict(
        classes={
            name: dict(
                images=images[name],
                boxes=boxes[name],
                groups=len(groups[name]),
            )
            for name in classes
        },
        without_boxes=sum(not sample.boxes for sample in samples),
        groups_without_boxes=len(groups[NO_CLASS]),
        images=len(samples),
        boxes=sum(boxes.values()),
        groups=len(set().union(*groups.values())),
    )
