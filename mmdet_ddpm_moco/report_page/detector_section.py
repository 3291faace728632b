"""The detector: loss, average precision, and what it finds."""

from pathlib import Path
from typing import Any

from ..engine.submission import METRICS, RECORD
from ..utils.fileio import read_json
from .blocks import Block, Note, Table
from .charts import make_chart
from .detections import best_and_worst
from .logs import curve, keys_of, read_scalars
from .run_files import RunFiles

_AP = ('bbox_mAP', 'bbox_mAP_50', 'bbox_mAP_75', 'segm_mAP', 'segm_mAP_50')
_BY_CLASS = '_precision'
_COLUMNS = ('boxes', 'AP', 'AP50', 'AP75', 'AR')
_TESTS = 3  # submissions shown, each with a picture
_KINDS = dict(bbox='boxes', segm='masks')


def curves_part(run: RunFiles) -> list[Block]:
    """Losses and average precision over the training."""
    if run.detector is None:
        return [Note('No detector was trained here.')]
    rows = read_scalars(run.detector)
    if not rows:
        return [Note('The detector has not logged anything yet.')]
    keys = keys_of(rows)
    losses = [key for key in keys if key == 'loss' or key.startswith('loss_')]
    # An evaluator's prefix stands before the name: coco/bbox_mAP.
    scores = [key for key in keys if key.rsplit('/', 1)[-1] in _AP]
    blocks: list[Block] = []
    for title, chosen in (
        ('Loss', losses),
        ('Average precision on validation images', scores),
    ):
        series = {key.rsplit('/', 1)[-1]: curve(rows, key) for key in chosen}
        chart = make_chart(title, 'iterations', series)
        if chart:
            blocks.append(chart)
    if not scores:
        blocks.append(Note('No average precision was logged.'))
    by_class: list[list[Any]] = [
        [key.rsplit('/', 1)[-1].removesuffix(_BY_CLASS), 100 * points[-1][1]]
        for key in keys
        if '/' in key
        and key.endswith(_BY_CLASS)
        and (points := curve(rows, key))
    ]
    if by_class:
        title = 'AP of each class, last validation, in percent'
        blocks.append(Table(title, ['class', 'AP'], by_class))
    return blocks


def tests_part(run: RunFiles) -> list[Block]:
    """What tools/test.py --submission measured."""
    if not run.submissions:
        return [
            Note(
                'No detections: tools/test.py CONFIG CHECKPOINT --submission '
                f'{run.folder}/submission adds curves and pictures.'
            )
        ]
    newest = sorted(
        run.submissions, key=lambda f: -(f / RECORD).stat().st_mtime
    )
    blocks: list[Block] = []
    for folder in newest[:_TESTS]:
        blocks += _test(folder)
    if newest[_TESTS:]:
        names = ', '.join(folder.name for folder in newest[_TESTS:])
        blocks.append(Note(f'Older submissions are not shown: {names}.'))
    return blocks


def _test(folder: Path) -> list[Block]:
    record = read_json(folder / RECORD)
    found = read_json(folder / METRICS)
    data = record['data']
    where = f'{folder.name}: {data["images"]} images of {data["source"]}'
    if found is None:
        return [Note(f'{where}; their truth is not known.')]
    blocks: list[Block] = [Note(f'{where}.')]
    for kind, noun in _KINDS.items():
        if kind not in found:
            continue
        rows = found[kind]['classes']
        table: list[list[Any]] = [
            [name, *(row[key] for key in _COLUMNS)]
            for name, row in rows.items()
        ]
        boxes = sum(row['boxes'] for row in rows.values())
        means = [found[kind][key] for key in _COLUMNS[1:]]
        table.append(['(mean)', boxes, *means])
        title = f'Average precision and recall of {noun}, in percent'
        blocks.append(Table(title, ['class', *_COLUMNS], table))
        chart = make_chart(
            f'Precision over recall of {noun}, IoU of at least 0.5',
            'recall',
            {
                f'{name}, AP50 {row["AP50"]:.1f}': [
                    (i / 100, p) for i, p in enumerate(row['precision'])
                ]
                for name, row in rows.items()
                if row['precision'] is not None
            },
            with_last=False,
        )
        if chart:
            blocks.append(chart)
    blocks.append(_confusion(found['confusion']))
    return [*blocks, *best_and_worst(folder, record)]


def _confusion(found: dict[str, Any]) -> Table:
    names = found['classes']
    rows = [
        [name, *row]
        for name, row in zip([*names, '(background)'], found['counts'])
    ]
    title = (
        'Boxes by true and detected class, scores of at least '
        f'{found["score_thr"]:g}'
    )
    return Table(title, ['true', *names, '(missed)'], rows)
