"""A bank as a COCO data set of whole images.

So a detector can be trained on what was synthesized and on nothing else.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
from tqdm import tqdm

from ..bank.compositing import as_bgr, overlaps
from ..bank.format import NULL, REPLACES, BankWindow
from ..bank.reader import DefectBank
from ..datasets.labeled_images import Defect, LabeledImages
from ..utils.errors import FileAccessError, InputError
from ..utils.fileio import atomic_write_bytes
from .windows import find_hosts, paste


def write_composites(
    bank: DefectBank, data: LabeledImages, folder: str | Path
) -> dict[str, int]:
    """Puts all windows of a bank back where they were synthesized.

    Each image shows a host with as many windows as do not overlap; a host
    with more comes several times. The real defects that still show are
    *crowds*, which an assigner with ``ignore_iof_thr`` takes neither for
    defects nor for background.

    Writes ``images/*.png`` and, last, ``annotations.json``. What an earlier
    call wrote of the same bank is kept.

    Args:
        bank (DefectBank): The bank.
        data (LabeledImages): The images it was made from.
        folder (str | Path): Where to write.

    Returns:
        dict[str, int]: Numbers of ``images`` and ``boxes``, crowds not
        counted.

    Raises:
        ValueError: The bank was made from other images or annotations.
    """
    file = Path(folder) / 'annotations.json'
    made_from = _digest(bank)
    if not file.is_file() or _info(file) != made_from:
        file.unlink(missing_ok=True)
        written = _write(bank, data, file.parent / 'images')
        written['info'] = dict(bank=made_from)
        atomic_write_bytes(file, json.dumps(written).encode())
    written = json.loads(file.read_bytes())
    return dict(
        images=len(written['images']),
        boxes=sum(not a['iscrowd'] for a in written['annotations']),
    )


def _digest(bank: DefectBank) -> str:
    names = ('manifest.json', 'annotations.json')
    contents = b''.join((bank.root / name).read_bytes() for name in names)
    return hashlib.sha256(contents).hexdigest()[:16]


def _info(file: Path) -> str | None:
    return (json.loads(file.read_bytes()).get('info') or {}).get('bank')


def _write(bank: DefectBank, data: LabeledImages, folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    packed = _pack(find_hosts(bank, data))
    for number, (host, windows) in enumerate(
        tqdm(packed, desc='composing', unit='image')
    ):
        left = list(data.images[host].defects)
        pixels = as_bgr(data.read(host))
        found = []  # (label, box, whether it is a crowd)
        for window in windows:
            pixels = paste(bank, window, pixels)
            if window.kind == REPLACES:
                left.remove(_replaced(bank, window, left))
            if window.kind != NULL:
                found.append((window.label, window.box, 0))
        found += [(defect.label, defect.box, 1) for defect in left]
        # The class of a crowd is of no matter; COCO wants one.
        found += [(0, box, 1) for box in data.images[host].crowds]
        name = f'{number:06d}.png'
        if not cv2.imwrite(str(folder / name), pixels):
            msg = f'cannot write {folder / name}'
            raise FileAccessError(msg)
        height, width = pixels.shape[:2]
        images.append(
            dict(id=number + 1, file_name=name, width=width, height=height)
        )
        for label, box, crowd in found:
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number + 1,
                    category_id=label + 1,
                    bbox=list(box),
                    area=box[2] * box[3],
                    iscrowd=crowd,
                )
            )
    categories = [
        dict(id=label + 1, name=name)
        for label, name in enumerate(bank.classes)
    ]
    return dict(images=images, annotations=annotations, categories=categories)


def _pack(
    hosts: Sequence[tuple[BankWindow, int]],
) -> list[tuple[int, list[BankWindow]]]:
    """Spreads windows over copies of their hosts, the first with room."""
    copies: dict[int, list[list[BankWindow]]] = {}
    for window, image in hosts:
        found = copies.setdefault(image, [])
        for windows in found:
            if not any(overlaps(window.window, w.window) for w in windows):
                windows.append(window)
                break
        else:
            found.append([window])
    return [(image, w) for image in sorted(copies) for w in copies[image]]


def _replaced(
    bank: DefectBank, window: BankWindow, defects: Sequence[Defect]
) -> Defect:
    for defect in defects:
        if (defect.label, defect.box) == (window.label, window.box):
            return defect
    msg = (
        f'window {window.number} of the defect bank {bank.root} replaces a '
        'defect that is not labeled there; give the config of the '
        'generator that made it'
    )
    raise InputError(msg)
