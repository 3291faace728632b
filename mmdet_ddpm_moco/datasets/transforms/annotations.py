"""Labels and boxes of a sample, as mmdet's ``LoadAnnotations`` leaves them."""

import logging
from collections.abc import Sequence

import numpy as np
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.logging import print_log

from ...bank.compositing import Box
from ...utils.errors import InputError

# The label of a class that the dataset lacks.
NOT_USED = -1


def labels_in(
    classes: Sequence[str] | None, source_classes: Sequence[str], source: str
) -> list[int]:
    """Labels of a source's classes in the dataset, by their names.

    Classes of the source that the dataset lacks are logged.

    Args:
        classes (Sequence[str] | None): Class names of the dataset in the
            order of its labels; None for those of the source.
        source_classes (Sequence[str]): Class names of the source.
        source (str): What the source is, for the message.

    Returns:
        list[int]: Of each class of the source its label, or ``NOT_USED``.

    Raises:
        ValueError: The dataset has no class of the source.
    """
    classes = tuple(classes or source_classes)
    labels = [
        classes.index(name) if name in classes else NOT_USED
        for name in source_classes
    ]
    unknown = [n for n, i in zip(source_classes, labels) if i == NOT_USED]
    if len(unknown) == len(labels):
        msg = (
            f'{source} has the classes {", ".join(source_classes)}, the '
            f'dataset has {", ".join(classes)}; they have none in common'
        )
        raise InputError(msg)
    if unknown:
        print_log(
            f'{source} has the classes {", ".join(unknown)}, which the '
            'dataset lacks: what it has of them is not used',
            'current',
            logging.WARNING,
        )
    return labels


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
