"""Labels and boxes of a sample, as mmdet's ``LoadAnnotations`` leaves them."""

import logging
from collections.abc import Sequence

import numpy as np
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes, get_box_type
from mmdet.structures.bbox.box_type import box_converters
from mmengine.logging import print_log

from ...bank.compositing import Box
from ...utils.errors import InputError

# The label of a class that the dataset lacks.
NOT_USED = -1


def ignored_label(results: dict) -> int:
    """The label of pixels of ``gt_seg_map`` that no loss looks at."""
    # As mmdet's LoadAnnotations tells it; others leave it at its default.
    return results.get('ignore_index', 255)


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


def horizontal_corners(boxes: BaseBoxes) -> np.ndarray:
    """Corners of the upright rectangles around boxes of any type.

    Returns:
        np.ndarray: (N, 4), x0, y0, x1, y1 in pixels.

    Raises:
        ValueError: The type of the boxes does not convert.
    """
    return _converted(boxes, HorizontalBoxes).numpy()


def boxes_like(boxes: BaseBoxes, corners: np.ndarray) -> BaseBoxes:
    """Upright boxes of the type and dtype of others.

    Args:
        boxes (BaseBoxes): The others, such as mmrotate's ``RotatedBoxes``.
        corners (np.ndarray): (N, 4), x0, y0, x1, y1 in pixels.

    Raises:
        ValueError: Their type does not convert.
    """
    made = HorizontalBoxes(
        corners.reshape(-1, 4), dtype=boxes.tensor.dtype, clone=False
    )
    return _converted(made, type(boxes))


def _converted(boxes: BaseBoxes, kind: type[BaseBoxes]) -> BaseBoxes:
    if type(boxes) is kind:
        return boxes
    source, target = (get_box_type(k)[0] for k in (type(boxes), kind))
    if f'{source}2{target}' not in box_converters:
        msg = (
            f'boxes of type {source} do not become {target}: no converter is '
            "registered for them in mmdet's register_box_converter"
        )
        raise InputError(msg)
    return boxes.convert_to(kind)


def append_boxes(results: dict, added: Sequence[tuple[Box, int]]) -> None:
    """Appends boxes, ``(x, y, w, h)`` with a label each, not ignored.

    Boxes, labels and flags keep their types.
    """
    if not added:
        return
    old = results['gt_bboxes']
    given = old.numpy()
    corners = np.array([(x, y, x + w, y + h) for (x, y, w, h), _ in added])
    new = corners.astype(given.dtype)
    if type(old) is not HorizontalBoxes:
        new = boxes_like(old, new).numpy()
    results['gt_bboxes'] = type(old)(np.concatenate([given, new]), clone=False)
    labels, ignore = results['gt_bboxes_labels'], results['gt_ignore_flags']
    new_labels = np.array([label for _, label in added], labels.dtype)
    results['gt_bboxes_labels'] = np.concatenate([labels, new_labels])
    results['gt_ignore_flags'] = np.concatenate(
        [ignore, np.zeros(len(added), ignore.dtype)]
    )
