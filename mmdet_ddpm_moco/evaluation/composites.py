"""A bank as a COCO data set of whole images.

With it a detector can be trained on synthesized defects alone.
"""

import hashlib
from pathlib import Path

import cv2
from tqdm import tqdm

from ..bank.compositing import Box, as_bgr, overlaps
from ..bank.format import ANNOTATIONS, MANIFEST, NULL, REPLACES, BankWindow
from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from ..utils.errors import FileAccessError, InputError
from ..utils.fileio import read_json, write_json
from .windows import Hosts, find_hosts


def write_composites(
    bank: DefectBank, data: LabeledImages, folder: str | Path
) -> dict[str, int]:
    """Pastes all windows of a bank where they were synthesized.

    Each image is a host with as many windows as do not overlap; a host with
    more of them is written several times. The real defects that are still
    visible are *crowds*, which an assigner with ``ignore_iof_thr`` takes
    neither for defects nor for background.

    Writes ``images/*.png`` and, last, ``annotations.json``. What an earlier
    call wrote of the same bank is kept. ``data`` are the images it was made
    from.

    Returns:
        dict[str, int]: Numbers of ``images`` and ``boxes``, without crowds.

    Raises:
        ValueError: The bank was made from other images or annotations.
    """
    file = Path(folder) / 'annotations.json'
    contents = [(bank.root / f).read_bytes() for f in (MANIFEST, ANNOTATIONS)]
    digest = hashlib.sha256(b''.join(contents)).hexdigest()[:16]
    written = read_json(file, {})
    if (written.get('info') or {}).get('bank') != digest:
        file.unlink(missing_ok=True)
        written = _write(bank, data, file.parent / 'images')
        written['info'] = dict(bank=digest)
        write_json(file, written)
    return dict(
        images=len(written['images']),
        boxes=sum(not a['iscrowd'] for a in written['annotations']),
    )


def _write(bank: DefectBank, data: LabeledImages, folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    packed = _pack(find_hosts(bank, data))
    for number, (host, windows) in enumerate(
        tqdm(packed, desc='compositing', unit='image'), 1
    ):
        defects = [(d.label, d.box) for d in data.images[host].defects]
        pixels = as_bgr(data.read(host)).copy()
        found: list[tuple[int, Box, int]] = []  # label, box, iscrowd
        replaced: set[tuple[int, Box]] = set()
        for window in windows:
            bank.paste(window, pixels)
            defect = window.label, window.box
            if window.kind == REPLACES:
                if defect in replaced:
                    continue  # another part of one larger than a window
                replaced.add(defect)
                _remove(defects, bank, window)
            if window.kind != NULL:
                found.append((*defect, 0))
        found += [(*defect, 1) for defect in defects]
        # COCO requires a class for crowds, too.
        found += [(0, box, 1) for box in data.images[host].crowds]
        path = folder / f'{number - 1:06d}.png'
        if not cv2.imwrite(str(path), pixels):
            msg = f'cannot write {path}'
            raise FileAccessError(msg)
        height, width = pixels.shape[:2]
        images.append(
            dict(id=number, file_name=path.name, width=width, height=height)
        )
        for label, box, crowd in found:
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=label + 1,
                    bbox=list(box),
                    area=box[2] * box[3],
                    iscrowd=crowd,
                )
            )
    categories = [
        dict(id=id_, name=name) for id_, name in enumerate(bank.classes, 1)
    ]
    return dict(images=images, annotations=annotations, categories=categories)


def _pack(hosts: Hosts) -> list[tuple[int, list[BankWindow]]]:
    """Distributes windows over copies of their hosts, the first with room."""
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


def _remove(
    defects: list[tuple[int, Box]], bank: DefectBank, window: BankWindow
) -> None:
    """Removes the defect that a window replaces."""
    try:
        defects.remove((window.label, window.box))
    except ValueError:
        msg = (
            f'window {window.number} of the defect bank {bank.root} replaces '
            'a defect that is not labeled there; give the config of the '
            'generator that made it'
        )
        raise InputError(msg) from None
