"""The files of a finished bank, derived from the records of its windows."""

import io
import json
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .compositing import intersect
from .reader import (
    FORMAT_VERSION,
    INDEX_DTYPE,
    KINDS,
    NULL,
    png_name,
    source_key,
)


def to_json(value: object) -> bytes:
    """A value as readable UTF-8 JSON."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + '\n').encode()


def coco_files(
    records: Sequence[dict], settings: dict, num: int
) -> dict[str, bytes]:
    """Annotations, index and manifest of a bank.

    Args:
        records (Sequence[dict]): Of all windows in order of their number, as
            ``BankWriter.write_block`` takes them.
        settings (dict): All that the windows depend on; JSON types.
        num (int): Windows asked for: the first ``num`` accepted ones count.

    Returns:
        dict[str, bytes]: Contents by file name, in the order in which they
        are to be written: a folder with a manifest is a bank.
    """
    accepted = [r for r in records if r['rejected'] is None][:num]
    last = accepted[-1]['number'] if accepted else -1
    # What came after the last window kept does not depend on how many
    # ranks ran ahead, so it does not count.
    seen = [r for r in records if r['number'] <= last]
    classes = settings['classes']
    index = io.BytesIO()
    np.save(index, _index(accepted))
    kinds = {name: Counter() for name in [*classes, 'background']}
    for r in accepted:
        kinds[[*classes, 'background'][r['label']]][r['kind']] += 1
    manifest = dict(
        format_version=FORMAT_VERSION,
        **settings,
        asked=num,
        kept=len(accepted),
        rejected=dict(Counter(r['rejected'] for r in seen if r['rejected'])),
        kinds={name: dict(count) for name, count in kinds.items()},
    )
    return {
        'annotations.json': to_json(_annotations(accepted, classes)),
        'index.npy': index.getvalue(),
        'manifest.json': to_json(manifest),
    }


def _annotations(records: list[dict], classes: list[str]) -> dict:
    """The bank as a COCO dataset; boxes are relative to the windows."""
    images, annotations = [], []
    for r in records:
        x, y, w, h = r['window']
        images.append(
            dict(
                id=r['number'],
                file_name=png_name(r['number']),
                width=w,
                height=h,
                kind=r['kind'],
                source=r['source'],
                window=r['window'],
                replaces=r['replaces'],
            )
        )
        if r['kind'] != NULL:
            bx, by, bw, bh = intersect(tuple(r['box']), (x, y, w, h))
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=r['number'],
                    category_id=r['label'] + 1,
                    bbox=[bx - x, by - y, bw, bh],
                    area=bw * bh,
                    iscrowd=0,
                )
            )
    categories = [dict(id=i + 1, name=n) for i, n in enumerate(classes)]
    return dict(
        info=dict(description='Defect bank of mmdet-ddpm-moco'),
        images=images,
        annotations=annotations,
        categories=categories,
    )


def _index(records: list[dict]) -> np.ndarray:
    index = np.zeros(len(records), INDEX_DTYPE)
    for row, r in zip(index, records):
        row['source'] = source_key(r['source'])
        row['number'] = r['number']
        row['kind'] = KINDS.index(r['kind'])
        row['label'] = -1 if r['kind'] == NULL else r['label']
        row['window'] = r['window']
        row['box'] = r['box']
    return np.sort(index, order=['source', 'number'])
