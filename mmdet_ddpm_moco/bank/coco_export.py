"""The files of a finished bank, derived from the records of its windows."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ..utils.fileio import json_bytes
from .compositing import relative
from .format import (
    ANNOTATIONS,
    FORMAT_VERSION,
    HOSTS,
    INDEX,
    MANIFEST,
    NULL,
    make_hosts,
    make_index,
    png_name,
    source_depth,
)


def coco_files(
    records: Sequence[dict], settings: dict, num: int, hosts: Iterable[str]
) -> dict[str, bytes]:
    """Annotations, index, hosts and manifest of a bank.

    Args:
        records (Sequence[dict]): Of all windows in order of their number, as
            ``BankWriter.write_block`` takes them.
        settings (dict): All that the windows depend on; JSON types.
        num (int): Windows asked for: the first ``num`` accepted ones count.
        hosts (Iterable[str]): File names of all images that windows could be
            on; those of windows need not be among them.

    Returns:
        dict[str, bytes]: Contents by file name, in the order in which they
        are to be written: a folder with a manifest is a bank.
    """
    accepted = [r for r in records if r['rejected'] is None][:num]
    last = accepted[-1]['number'] if accepted else -1
    # How many windows come after the last one kept depends on how far the
    # ranks were ahead, so they do not count.
    seen = [r for r in records if r['number'] <= last]
    names = [*settings['classes'], 'background']
    kinds: dict[str, Counter[str]] = {name: Counter() for name in names}
    for r in accepted:
        kinds[names[r['label']]][r['kind']] += 1
    images = {*hosts, *(r['source'] for r in accepted)}
    manifest = dict(
        format_version=FORMAT_VERSION,
        **settings,
        asked=num,
        kept=len(accepted),
        rejected=dict(Counter(r['rejected'] for r in seen if r['rejected'])),
        kinds={name: dict(count) for name, count in kinds.items()},
        source_depths=sorted({source_depth(name) for name in images}),
    )
    annotations = _annotations(accepted, settings['classes'])
    return {
        ANNOTATIONS: json_bytes(annotations, indent=1),
        INDEX: _npy(make_index(accepted)),
        HOSTS: _npy(make_hosts(images)),
        MANIFEST: json_bytes(manifest, indent=1),
    }


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _annotations(records: list[dict], classes: list[str]) -> dict:
    """The bank as a COCO data set; boxes are relative to the windows."""
    images: list[dict] = []
    annotations: list[dict] = []
    for r in records:
        images.append(
            dict(
                id=r['number'],
                file_name=png_name(r['number']),
                width=r['window'][2],
                height=r['window'][3],
                kind=r['kind'],
                source=r['source'],
                window=r['window'],
                replaces=r['replaces'],
            )
        )
        if r['kind'] != NULL:
            box = relative(tuple(r['box']), tuple(r['window']))
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=r['number'],
                    category_id=r['label'] + 1,
                    bbox=list(box),
                    area=box[2] * box[3],
                    iscrowd=0,
                )
            )
    return dict(
        info=dict(description='Defect bank of mmdet-ddpm-moco'),
        images=images,
        annotations=annotations,
        categories=[dict(id=i + 1, name=n) for i, n in enumerate(classes)],
    )
