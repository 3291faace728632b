"""What went in: images, boxes, sizes, and what the conversion found."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.inputs import ann_files
from ..utils.fileio import read_json
from .blocks import Block, Facts, Note, Table
from .run_files import RunFiles

_PARTS = ('train', 'val', 'test')
_FILES = 3  # of each finding
_GROUPS = 10
_SIZES_HEAD = (
    'for',
    'list',
    'images',
    'without boxes',
    'boxes',
    'image size',
    'box side 5 %',
    'median',
    '95 %',
)


def _lists(run: RunFiles) -> list[tuple[str, Path]]:
    """Annotation files of the detector, by the part that uses them."""
    if run.config is None:
        return []
    return [
        (part, Path(name))
        for part in _PARTS
        for name in dict.fromkeys(
            ann_files(run.config.get(f'{part}_dataloader'))
        )
    ]


def boxes_by_class(run: RunFiles) -> dict[str, int] | None:
    """Labeled boxes that the detector is trained on; None if not known."""
    files = [file for part, file in _lists(run) if part == 'train']
    if not files or not all(file.is_file() for file in files):
        return None
    counts: Counter[str] = Counter()
    for file in files:
        counts.update(_count(json.loads(file.read_bytes())))
    return dict(counts)


def _count(coco: dict[str, Any]) -> dict[str, int]:
    names = {c['id']: c['name'] for c in coco['categories']}
    counts = dict.fromkeys(names.values(), 0)
    for found in coco['annotations']:
        counts[names[found['category_id']]] += 1
    return counts


def lists_part(run: RunFiles) -> list[Block]:
    """Images and boxes of each list, and their sizes."""
    lists = _lists(run)
    if not lists:
        return [Note('No config of a detector: its data are not known.')]
    blocks: list[Block] = []
    by_class: dict[str, dict[str, int]] = {}
    sizes: list[list[Any]] = []
    for part, file in lists:
        if not file.is_file():
            blocks.append(Note(f'{part}: {file} is not there.'))
            continue
        coco = json.loads(file.read_bytes())
        by_class[f'{part}: {file.name}'] = _count(coco)
        sizes.append([part, file.name, *_sizes(coco)])
    names = list(dict.fromkeys(n for c in by_class.values() for n in c))
    if by_class:
        blocks.append(
            Table(
                'Boxes by class',
                ['class', *by_class],
                [[n, *(c.get(n) for c in by_class.values())] for n in names],
            )
        )
        blocks.append(Table('Sizes in pixels', _SIZES_HEAD, sizes))
    return blocks


def _sizes(coco: dict[str, Any]) -> list[Any]:
    images, boxes = coco['images'], coco['annotations']
    with_box = {found['image_id'] for found in boxes}
    shapes = Counter((i['width'], i['height']) for i in images)
    shown = ', '.join(f'{w} x {h}' for (w, h), _ in shapes.most_common(2))
    if len(shapes) > 2:
        shown += f' and {len(shapes) - 2} more'
    sides = [(f['bbox'][2] * f['bbox'][3]) ** 0.5 for f in boxes]
    quantiles: list[Any] = [None] * 3
    if sides:
        quantiles = np.quantile(sides, [0.05, 0.5, 0.95]).tolist()
    without = sum(image['id'] not in with_box for image in images)
    return [len(images), without, len(boxes), shown, *quantiles]


def _conversion(run: RunFiles) -> dict[str, Any] | None:
    for _, file in _lists(run):
        for folder in (file.parent, file.parent.parent):
            report = read_json(folder / 'report.json')
            if isinstance(report, dict) and 'findings' in report:
                return report
    return None


def conversion_part(run: RunFiles) -> list[Block]:
    """What the conversion found odd."""
    report = _conversion(run)
    if report is None:
        return [
            Note(
                'No report.json of tools/prepare_dataset.py beside the '
                'lists: findings and near duplicates are not known.'
            )
        ]
    rows: list[list[Any]] = []
    for kind, found in report['findings'].items():
        names = [entry['file'] for entry in found['entries'][:_FILES]]
        more = ', …' * (found['count'] > _FILES)
        rows.append(
            [kind, found['count'], found['meaning'], ', '.join(names) + more]
        )
    if not rows:
        return [Note('The conversion found nothing odd.')]
    head = ['finding', 'number', 'what it means', 'files']
    return [Table('Findings of the conversion', head, rows)]


def duplicates_part(run: RunFiles) -> list[Block]:
    """Groups of near duplicates."""
    report = _conversion(run)
    if report is None:
        return []
    options, groups = report['options'], report['near_duplicates']
    if not (options.get('group_near_duplicates') or 'group_by' in options):
        return [Note('Near duplicates were not searched for.')]
    if not groups.get('groups'):
        return [Note('No near duplicates.')]
    facts: list[tuple[str, Any]] = [
        ('groups of near duplicates', groups['groups']),
        ('images in them', groups['images']),
        ('groups that the splits separate', groups.get('parted', 0)),
    ]
    for pair, counts in (groups.get('across') or {}).items():
        for split, count in counts.items():
            other = pair.replace(split, '').strip('_')
            facts.append((f'{split} images in a group with {other}', count))
    rows = [
        [entry['images'][0], entry['size'], ', '.join(entry['splits'])]
        for entry in groups['largest'][:_GROUPS]
    ]
    head = ['largest groups, by one image', 'images', 'splits']
    return [Facts(facts), Table('Near duplicates', head, rows)]
