"""What detections are worth where the truth is known, class by class."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..visualization.detection_plots import (
    plot_confusion_matrix,
    plot_precision_recall,
)
from .average_precision import (
    average_precision,
    average_recall,
    precision_recall,
)
from .confusion_matrix import confusion_matrix
from .detection_matches import Matches, match_detections

COLUMNS = ('AP', 'AP50', 'AP75', 'AR')
_AP75 = 5  # index of the IoU threshold 0.75
_KINDS = dict(bbox='boxes', segm='masks')


def evaluate_detections(
    ann_file: str | Path,
    detections: Sequence[Mapping[str, Any]],
    *,
    score_thr: float,
    masks: bool = False,
) -> dict[str, Any]:
    """Measures detections by COCO's rules.

    Args:
        ann_file (str | Path): COCO annotations, json.
        detections (Sequence[Mapping]): COCO results.
        score_thr (float): Lowest score that counts in the confusion matrix,
            in [0, 1].
        masks (bool): Also compare masks. Defaults to False.

    Returns:
        dict: JSON types. ``bbox``, with masks also ``segm``: each has
        ``classes``, by name ``AP``, ``AP50``, ``AP75`` and ``AR`` in percent
        (None without boxes), the number of ``boxes``, and ``precision``, at
        101 recalls, of an IoU of 0.5; and the same figures as means over the
        classes with boxes. ``confusion`` has the ``counts`` of boxes, their
        ``classes`` and ``score_thr``.
    """
    kinds = ('bbox', 'segm') if masks else ('bbox',)
    found: dict[str, Any] = {}
    for kind in kinds:
        matches = match_detections(ann_file, detections, kind)
        found[kind] = _measure(matches)
    counts = confusion_matrix(ann_file, detections, score_thr=score_thr)
    found['confusion'] = dict(
        counts=counts.tolist(),
        classes=[*found['bbox']['classes']],
        score_thr=score_thr,
    )
    return found


def _measure(matches: Matches) -> dict[str, Any]:
    scores = 100 * average_precision(matches)  # (classes, 10)
    recalls = 100 * average_recall(matches)
    rows = dict(
        AP=scores.mean(1),
        AP50=scores[:, 0],
        AP75=scores[:, _AP75],
        AR=recalls.mean(1),
    )
    classes: dict[str, dict[str, Any]] = {}
    for index, found in enumerate(matches.classes):
        boxes = int(found.ground_truths.sum())
        precision = precision_recall(found)[1].tolist() if boxes else None
        figures = {key: _number(rows[key][index]) for key in COLUMNS}
        classes[found.name] = dict(figures, boxes=boxes, precision=precision)
    means = {
        key: _number(np.ma.masked_invalid(values).mean())
        for key, values in rows.items()
    }
    return dict(means, classes=classes)


def _number(value: Any) -> float | None:
    value = float(np.ma.filled(value, np.nan))
    return None if math.isnan(value) else round(value, 2)


def draw_report(found: Mapping[str, Any], folder: Path) -> list[str]:
    """Draws what :func:`evaluate_detections` found, as PNGs in a folder.

    Returns:
        list[str]: Their names.
    """
    names = []
    for kind, noun in _KINDS.items():
        if kind not in found:
            continue
        curves = {
            name: (np.linspace(0, 1, 101).tolist(), row['precision'])
            for name, row in found[kind]['classes'].items()
            if row['precision'] is not None
        }
        names.append(f'precision_recall_{kind}.png')
        title = f'IoU of {noun} at least 0.5'
        plot_precision_recall(curves, title, folder / names[-1])
    confusion = found['confusion']
    names.append('confusion_matrix.png')
    plot_confusion_matrix(
        np.array(confusion['counts']),
        confusion['classes'],
        f'boxes with scores of at least {confusion["score_thr"]:g}, '
        'IoU at least 0.5',
        folder / names[-1],
    )
    return names


def report_text(found: Mapping[str, Any]) -> str:
    """The figures as a table, in percent, for a terminal."""
    lines = []
    for kind in filter(found.__contains__, _KINDS):
        rows = [[_KINDS[kind], 'number', *COLUMNS]]
        for name, row in found[kind]['classes'].items():
            rows.append([name, str(row['boxes']), *_cells(row)])
        rows.append(['mean', '', *_cells(found[kind])])
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            first = row[0].ljust(widths[0])
            others = map(str.rjust, row[1:], widths[1:])
            lines.append('  '.join([first, *others]))
    return '\n'.join(lines)


def _cells(row: Mapping[str, float | None]) -> list[str]:
    values = (row[key] for key in COLUMNS)
    return ['-' if value is None else f'{value:.1f}' for value in values]
