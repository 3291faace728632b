"""Writer of a defect bank.

While a bank is written the truth is one record per block of windows, each
written in one step once its PNGs are there; a run that was killed loses the
block in flight and nothing else. ``annotations.json``, ``index.npy`` and,
last, ``manifest.json`` are derived when the bank is closed: a folder without
manifest is no bank.
"""

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from ..atomic_write import atomic_write_bytes
from ..datasets.compositing import intersect
from ..datasets.defect_bank import (
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


class BankWriter:
    """Writes a bank block by block, and closes it.

    Args:
        root (str | Path): Folder of the bank. May hold an unfinished bank
            begun with the same settings.
        settings (dict): All that the windows depend on; JSON types. They
            become part of the manifest.

    Raises:
        ValueError: The folder holds a finished bank, a bank begun with other
            settings, or something else.
    """

    def __init__(self, root: str | Path, settings: dict) -> None:
        self.root = Path(root)
        self.settings = settings
        begun = self.root / 'settings.json'
        if (self.root / 'manifest.json').exists():
            msg = (
                f'{self.root} holds a finished bank; choose another '
                'folder, or remove it first'
            )
            raise ValueError(msg)
        if begun.exists():
            if json.loads(begun.read_bytes()) != settings:
                msg = (
                    f'{self.root} holds a bank begun with other settings; '
                    'choose another folder, or remove it first'
                )
                raise ValueError(msg)
        elif any(
            path.is_file() and not path.name.startswith('.')
            for path in self.root.rglob('*')
        ):
            msg = f'{self.root} is not empty and holds no bank'
            raise ValueError(msg)
        # First, since a folder without it is taken for somebody else's.
        atomic_write_bytes(begun, to_json(settings))
        (self.root / 'images').mkdir(exist_ok=True)
        (self.root / 'records').mkdir(exist_ok=True)

    def record_path(self, block: int) -> Path:
        """File of a block's record."""
        return self.root / 'records' / f'{block:06d}.json'

    def read_block(self, block: int) -> list[dict] | None:
        """The record of a block, None if it has not been written."""
        path = self.record_path(block)
        return json.loads(path.read_bytes()) if path.exists() else None

    def write_block(
        self,
        block: int,
        records: list[dict],
        pictures: list[np.ndarray | None],
    ) -> None:
        """Writes a block.

        Args:
            block (int): Its number.
            records (list[dict]): One per window, with ``number``, ``kind``,
                ``label``, ``source`` (file name of the host), ``window``,
                ``box``, ``replaces`` and ``rejected`` (a gate or None).
            pictures (list): Per window BGRA uint8 (h, w, 4), None for those
                rejected.
        """
        for record, picture in zip(records, pictures):
            if picture is None:
                continue
            _, png = cv2.imencode('.png', picture)
            path = self.root / 'images' / png_name(record['number'])
            path.write_bytes(png.tobytes())
        atomic_write_bytes(self.record_path(block), to_json(records))

    def close(self, num: int) -> dict:
        """Derives annotations, index and manifest from the records.

        Args:
            num (int): Windows asked for; the first ``num`` accepted ones in
                order of their number stay, later ones are removed.

        Returns:
            dict: The manifest.
        """
        records = [
            record
            for path in sorted((self.root / 'records').glob('[0-9]*.json'))
            for record in json.loads(path.read_bytes())
        ]
        accepted = [r for r in records if r['rejected'] is None][:num]
        last = accepted[-1]['number'] if accepted else -1
        # What came after the last window kept does not depend on how many
        # ranks ran ahead, so it does not count.
        seen = [r for r in records if r['number'] <= last]
        keep = {png_name(r['number']) for r in accepted}
        classes = self.settings['classes']
        atomic_write_bytes(
            self.root / 'annotations.json',
            to_json(_annotations(accepted, classes)),
        )
        buffer = io.BytesIO()
        np.save(buffer, _index(accepted))
        atomic_write_bytes(self.root / 'index.npy', buffer.getvalue())
        kinds = {name: Counter() for name in [*classes, 'background']}
        for r in accepted:
            kinds[[*classes, 'background'][r['label']]][r['kind']] += 1
        manifest = dict(
            format_version=FORMAT_VERSION,
            **self.settings,
            asked=num,
            kept=len(accepted),
            rejected=dict(
                Counter(r['rejected'] for r in seen if r['rejected'])
            ),
            kinds={name: dict(count) for name, count in kinds.items()},
        )
        atomic_write_bytes(self.root / 'manifest.json', to_json(manifest))
        # Only now: a run killed before goes on from all of this.
        for path in (self.root / 'images').iterdir():
            if path.name not in keep:
                path.unlink()
        shutil.rmtree(self.root / 'records')
        (self.root / 'settings.json').unlink()
        return manifest


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
