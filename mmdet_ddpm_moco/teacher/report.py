"""What the teachers labeled, in numbers a person reads before training."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..evaluation.detection_matches import ClassMatches, match_detections
from ..utils.errors import MissingFileError
from .thresholds import Threshold


def measured(found: ClassMatches) -> dict[str, float]:
    """Precision and recall of kept boxes whose truth is known, IoU 0.5.

    Args:
        found (ClassMatches): Of the kept boxes of one class.

    Returns:
        dict[str, float]: ``precision`` and ``recall``, in [0, 1].
    """
    counted = ~found.ignored[0]
    right = int(found.true_positive[0][counted].sum())
    return dict(
        precision=right / max(int(counted.sum()), 1),
        recall=right / max(int(found.ground_truths.sum()), 1),
    )


def measure_kept(
    coco: Mapping[str, Any], file: str | Path
) -> list[dict[str, float]]:
    """Measures the kept boxes against the true ones, image by file name.

    Args:
        coco (Mapping): Pseudo-labels, from :func:`pseudo_coco`.
        file (str | Path): COCO json of the true boxes; images that it lacks
            are left out.

    Returns:
        list[dict]: From :func:`measured`, by class.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not Path(file).is_file():
        msg = f'no annotations at {file}'
        raise MissingFileError(msg)
    known = json.loads(Path(file).read_bytes())
    ids = {image['file_name']: image['id'] for image in known['images']}
    names = {image['id']: image['file_name'] for image in coco['images']}
    category = {c['name']: c['id'] for c in known['categories']}
    asked = {ids[name] for name in names.values() if name in ids}
    shown = dict(
        known,
        images=[i for i in known['images'] if i['id'] in asked],
        annotations=[
            a for a in known['annotations'] if a['image_id'] in asked
        ],
    )
    named = {c['id']: category[c['name']] for c in coco['categories']}
    kept = [
        dict(
            image_id=ids[names[a['image_id']]],
            category_id=named[a['category_id']],
            bbox=a['bbox'],
            score=a['score'],
        )
        for a in coco['annotations']
        if not a['iscrowd'] and names[a['image_id']] in ids
    ]
    with TemporaryDirectory() as folder:
        truth = Path(folder) / 'truth.json'
        truth.write_text(json.dumps(shown))
        found = {c.name: c for c in match_detections(truth, kept).classes}
    return [measured(found[c['name']]) for c in coco['categories']]


def report_rows(
    coco: Mapping[str, Any],
    thresholds: Sequence[Threshold],
    truth: Sequence[Mapping[str, float]] | None = None,
) -> list[dict[str, Any]]:
    """One row per class.

    Args:
        coco (Mapping): Pseudo-labels, from :func:`pseudo_coco`.
        thresholds (Sequence[Threshold]): By class.
        truth (Sequence[Mapping], optional): From :func:`measure_kept`.
            Defaults to None.

    Returns:
        list[dict]: JSON types.
    """
    kept: Counter[int] = Counter()
    ignored: Counter[int] = Counter()
    for annotation in coco['annotations']:
        counter = ignored if annotation['iscrowd'] else kept
        counter[annotation['category_id']] += 1
    rows = []
    for index, category in enumerate(coco['categories']):
        threshold = thresholds[index]
        row = dict(
            name=category['name'],
            kept=kept[category['id']],
            ignored=ignored[category['id']],
            high=threshold.high,
            low=threshold.low,
            expected_precision=threshold.precision,
            expected_recall=threshold.recall,
        )
        if truth is not None:
            row.update({f'true_{k}': v for k, v in truth[index].items()})
        rows.append(row)
    return rows


def report_text(
    rows: Sequence[Mapping[str, Any]], coco: Mapping[str, Any], folds: int
) -> str:
    """The report in Markdown.

    Args:
        rows (Sequence[Mapping]): From :func:`report_rows`.
        coco (Mapping): Pseudo-labels.
        folds (int): Number of teachers.

    Returns:
        str: A heading, a sentence and a table.
    """
    with_box = {a['image_id'] for a in coco['annotations'] if not a['iscrowd']}
    total = len(coco['images'])
    heads = ['class', 'kept', 'ignored', 'kept from score', 'ignored from']
    heads += ['expected precision', 'expected recall']
    known = bool(rows) and 'true_precision' in rows[0]
    if known:
        heads += ['true precision', 'true recall']
    lines = [
        '# Pseudo-labels',
        '',
        f'{folds} teachers labeled {total} images; {len(with_box)} have a '
        f'kept box, {total - len(with_box)} have none and teach nothing. '
        'Expected figures are those of teachers on labeled images they did '
        'not see (IoU 0.5).',
        '',
        '| ' + ' | '.join(heads) + ' |',
        '|' + ' --- |' * len(heads),
    ]
    for row in rows:
        cells = [row['name'], str(row['kept']), str(row['ignored'])]
        cells += [f'{row[key]:.2f}' for key in ('high', 'low')]
        cells += [f'{row[f"expected_{k}"]:.2f}' for k in _FIGURES]
        if known:
            cells += [f'{row[f"true_{k}"]:.2f}' for k in _FIGURES]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


_FIGURES = ('precision', 'recall')
