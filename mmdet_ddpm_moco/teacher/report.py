"""What the teachers labeled, in numbers a person reads before training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.detection_matches import (
    ClassMatches,
    Matches,
    match_detections,
)
from ..utils.coco_annotations import complete_annotations
from ..utils.errors import InputError, MissingFileError
from .calibration import Calibration
from .pseudo_labels import MIN_PROBABILITY


def read_truth(
    file: str | Path,
    categories: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Reads the true boxes of unlabeled images.

    Args:
        file (str | Path): COCO json.
        categories (Sequence[Mapping]): Those that it must have, by name.
        images (Sequence[Mapping]): Of which it must have one, by file name.

    Returns:
        dict: COCO, its annotations complete and numbered from 1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no COCO json, lacks a category or the images, has
            categories of one name, or an annotation without a box.
    """
    if not Path(file).is_file():
        msg = f'no annotations at {file}, which should be the truth'
        raise MissingFileError(msg)
    try:
        truth = json.loads(Path(file).read_bytes())
        names = [category['name'] for category in truth['categories']]
        lacks = [c['name'] for c in categories if c['name'] not in names]
        shown = {image['file_name'] for image in truth['images']}
        numbered = [*truth['images'], *truth['categories']]
        _ = [entry['id'] for entry in numbered], truth['annotations']
    except (ValueError, KeyError, TypeError) as error:
        msg = f'{file}, which should be the truth, is no COCO json: {error!r}'
        raise InputError(msg) from error
    if len(set(names)) < len(names):
        msg = (
            f'{file}, which should be the truth, has several categories of '
            f'one name: {", ".join(names)}; rename or remove all but one'
        )
        raise InputError(msg)
    if lacks:
        msg = f'{file}, which should be the truth, has no {", ".join(lacks)}'
        raise InputError(msg)
    asked = [image['file_name'] for image in images]
    if shown.isdisjoint(asked):
        msg = (
            f'{file}, which should be the truth, names none of the '
            f'{len(asked)} unlabeled images as they are listed, '
            f'{asked[0]} for one'
        )
        raise InputError(msg)
    complete = complete_annotations(truth['annotations'], file)
    return dict(truth, annotations=complete)


def measure(coco: Mapping[str, Any], known: Mapping[str, Any]) -> list[dict]:
    """Measures pseudo-labels against true boxes, image by file name.

    Args:
        coco (Mapping): Pseudo-labels, from :func:`pseudo_coco`.
        known (Mapping): The true boxes, from :func:`read_truth`; images that
            it lacks are left out.

    Returns:
        list[dict]: By class: ``right`` (int), boxes that are right (IoU of
        at least 0.5), and ``recall``, their share of the true boxes.
    """
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
    boxes = [
        dict(
            image_id=ids[names[a['image_id']]],
            category_id=named[a['category_id']],
            bbox=a['bbox'],
            score=a['score'],
        )
        for a in coco['annotations']
        if names[a['image_id']] in ids
    ]
    found = {c.name: c for c in match_detections(shown, boxes).classes}
    rows = []
    for category in coco['categories']:
        here = found[category['name']]
        right = int(here.true_positive[0][~here.ignored[0]].sum())
        truths = int(here.ground_truths.sum())
        rows.append(dict(right=right, recall=right / max(truths, 1)))
    return rows


def report_rows(
    coco: Mapping[str, Any],
    held_out: Matches,
    calibrations: Sequence[Calibration],
    truth: Sequence[Mapping[str, float]] | None = None,
) -> list[dict[str, Any]]:
    """One row per class.

    Args:
        coco (Mapping): Pseudo-labels, from :func:`pseudo_coco`.
        held_out (Matches): Of teachers with labeled images that they did not
            see.
        calibrations (Sequence[Calibration]): By class, learned from them.
        truth (Sequence[Mapping], optional): From :func:`measure`. Defaults
            to None.

    Returns:
        list[dict]: JSON types. ``expected_right`` is the sum of the boxes'
        probabilities, ``expected_recall`` the share of the labeled boxes
        that teachers found without having seen them.
    """
    matches = {found.name: found for found in held_out.classes}
    rows = []
    for index, category in enumerate(coco['categories']):
        likely = [
            a['probability']
            for a in coco['annotations']
            if a['category_id'] == category['id']
        ]
        row = dict(
            name=category['name'],
            boxes=len(likely),
            expected_right=round(sum(likely), 1),
            expected_recall=_recall(
                matches[category['name']], calibrations[index]
            ),
        )
        if truth is not None:
            row.update({f'true_{k}': v for k, v in truth[index].items()})
        rows.append(row)
    return rows


def _recall(found: ClassMatches, calibration: Calibration) -> float:
    likely = calibration(found.scores) >= MIN_PROBABILITY
    right = found.true_positive[0][likely & ~found.ignored[0]].sum()
    return float(right / max(found.ground_truths.sum(), 1))


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
    with_box = {a['image_id'] for a in coco['annotations']}
    total = len(coco['images'])
    heads = ['class', 'boxes', 'expected to be right', 'expected recall']
    known = bool(rows) and 'true_right' in rows[0]
    if known:
        heads += ['right', 'recall']
    lines = [
        '# Pseudo-labels',
        '',
        f'{folds} teachers labeled {total} images; {total - len(with_box)} '
        'have no box. Expected figures are those of teachers on labeled '
        'images they did not see (class, IoU of at least 0.5). A detector '
        'sees each box as often as it is expected to be right.',
        '',
        '| ' + ' | '.join(heads) + ' |',
        '|' + ' --- |' * len(heads),
    ]
    for row in rows:
        cells = [row['name'], str(row['boxes'])]
        cells += [
            f'{row["expected_right"]:.0f}',
            f'{row["expected_recall"]:.2f}',
        ]
        if known:
            cells += [str(row['true_right']), f'{row["true_recall"]:.2f}']
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'
