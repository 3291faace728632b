"""Labels and boxes of a sample, as mmdet's ``LoadAnnotations`` leaves them."""

from collections.abc import Sequence

import numpy as np
from mmdet.structures.bbox import HorizontalBoxes

from ...bank.compositing import Box
from ...utils.errors import InputError


def labels_in(
    classes: Sequence[str] | None, source_classes: Sequence[str], source: str
) -> list[int]:
    """Labels of a source's classes in the dataset.

    Args:
        classes (Sequence[str] | None): Class names of the dataset in the
            order of its labels; None for those of the source.
        source_classes (Sequence[str]): Class names of the source.
        source (str): What the source is, for the message.

    Raises:
        ValueError: The dataset lacks a class of the source.
    """
    classes = tuple(classes or source_classes)
    unknown = sorted(set(source_classes) - set(classes))
    if unknown:
        msg = (
            f'{source} has the classes {", ".join(unknown)}, the dataset has '
            f'{", ".join(classes)}; their class names must agree'
        )
        raise InputError(msg)
    return [classes.index(name) for name in source_classes]


def append_boxes(results: dict, added: Sequence[tuple[Box, int]]) -> None:
    """Appends boxes, ``(x, y, w, h)`` with a label each, not ignored."""
    if not added:
        return
    old = results['gt_bboxes'].numpy()
    corners = [(x, y, x + w, y + h) for (x, y, w, h), _ in added]
    labels, ignore = results['gt_bboxes_labels'], results['gt_ignore_flags']
    results['gt_bboxes'] = HorizontalBoxes(
        np.vstack([old, np.array(corners, old.dtype)])
    )
    results['gt_bboxes_labels'] = np.append(
        labels, np.array([label for _, label in added], labels.dtype)
    )
    results['gt_ignore_flags'] = np.append(ignore, np.zeros(len(added), bool))
