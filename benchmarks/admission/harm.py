"""Banks made harmful, to ask whether they are turned away."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mmdet_ddpm_moco.bank.format import (
    ADD,
    IMAGES,
    INDEX,
    KINDS,
    MANIFEST,
    REPLACES,
    BankWindow,
    png_name,
    source_key,
)
from mmdet_ddpm_moco.bank.patches import write_patches
from mmdet_ddpm_moco.bank.pictures import encode_picture
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.utils.fileio import read_json

Sizes = Mapping[int, tuple[int, int]]  # of images, by source_key()

GRAY = 128
# How far a box moves, in widths and in heights: it keeps less than a tenth
# of its old place, or a third where the image has room in one direction only.
SHIFT = 0.7


def shuffle_labels(bank: DefectBank, rows: np.ndarray, _: Sizes) -> None:
    """Gives each defect another class than its own."""
    classes = len(bank.classes)
    other = np.random.default_rng(0).integers(1, classes, len(rows))
    rows['label'] = (rows['label'] + other) % classes


def shift_boxes(_: DefectBank, rows: np.ndarray, sizes: Sizes) -> None:
    """Moves boxes off their defects, where the image has room."""
    rng = np.random.default_rng(0)
    for row in rows:
        size = sizes[int(row['source'])]
        for axis, end in enumerate(size):
            start, length = row['box'][axis], row['box'][axis + 2]
            step = round(SHIFT * length)
            room = [
                place
                for place in (start - step, start + step)
                if 0 <= place <= end - length
            ]
            row['box'][axis] = rng.choice(room or [start])


def gray_patches(bank: DefectBank, rows: np.ndarray, _: Sizes) -> None:
    """Paints gray without structure where a defect was painted."""
    for row in rows:
        window = BankWindow.from_row(row.item())
        pixels, alpha = bank.read(window)
        pixels[alpha > 0] = GRAY
        file = bank.root / IMAGES / png_name(window.number)
        file.write_bytes(encode_picture(np.dstack([pixels, alpha])))


HARMS: dict[str, Callable[[DefectBank, np.ndarray, Sizes], None]] = {
    'shuffled labels': shuffle_labels,
    'shifted boxes': shift_boxes,
    'gray patches': gray_patches,
}


def harmful_copy(
    bank: Path, out: Path, harm: str, sizes: Mapping[str, tuple[int, int]]
) -> Path:
    """Copies a bank and makes its added defects harmful.

    Windows that replace a labeled defect stay behind: label and box there
    are those of the labels. ``annotations.json`` is that of the bank.

    Args:
        bank (Path): Is not changed.
        out (Path): Folder to write, unless it holds a copy of this bank.
        harm (str): Of :data:`HARMS`.
        sizes (Mapping): Width and height of its source images, by name.

    Returns:
        Path: ``out``.
    """
    origin = hashlib.sha256((bank / INDEX).read_bytes()).hexdigest()
    if read_json(out / MANIFEST, {}).get('origin') == origin:
        return out
    shutil.rmtree(out, ignore_errors=True)
    made = out.with_name(f'{out.name}_unfinished')
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(bank, made)
    rows = np.load(made / INDEX)
    rows = rows[rows['kind'] != KINDS.index(REPLACES)]
    added = rows['kind'] == KINDS.index(ADD)
    changed = rows[added]  # a copy
    by_key = {source_key(name): size for name, size in sizes.items()}
    HARMS[harm](DefectBank(made), changed, by_key)
    rows[added] = changed
    np.save(made / INDEX, rows)
    write_patches(made)
    manifest = json.loads((made / MANIFEST).read_bytes())
    manifest |= dict(kept=len(rows), harm=harm, origin=origin)
    (made / MANIFEST).write_text(json.dumps(manifest))
    made.rename(out)
    return out
