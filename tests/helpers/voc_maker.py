"""Makes small VOC datasets for the tests and reads conversions back."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np


def surface(
    height: int, width: int, seed: int, grain: float = 1.5
) -> np.ndarray:
    """A rough surface (uint8) that does not repeat."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def write_image(
    path: Path, seed: int = 0, size: tuple[int, int] = (40, 40)
) -> None:
    """Writes an image of (width, height) that looks like no other seed's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), surface(size[1], size[0], seed))


def voc_xml(
    filename: str, objects=(), size: tuple[int, int] | None = (40, 40)
) -> str:
    """An XML with objects (name, xmin, ymin, xmax, ymax); any values."""
    lines = ['<annotation>', f'<filename>{filename}</filename>']
    if size is not None:
        lines.append(
            f'<size><width>{size[0]}</width><height>{size[1]}</height>'
            '<depth>1</depth></size>'
        )
    for name, *corners in objects:
        box = ''.join(
            f'<{tag}>{value}</{tag}>'
            for tag, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), corners)
        )
        lines.append(
            f'<object><name>{name}</name><bndbox>{box}</bndbox></object>'
        )
    return '\n'.join([*lines, '</annotation>'])


def write_xml(path: Path, filename: str | None = None, **kwargs) -> None:
    """Writes an XML file; it names ``<stem>.png`` by default."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f'{path.stem}.png' if filename is None else filename
    path.write_text(voc_xml(name, **kwargs), encoding='utf-8')


def flat_dataset(
    root: Path, count: int = 10, names: tuple[str, ...] = ('dent', 'rust')
) -> Path:
    """``count`` images of each class with one box each, nothing odd."""
    seed = 0
    for name in names:
        for number in range(1, count + 1):
            seed += 1
            write_image(root / 'IMAGES' / f'{name}_{number}.png', seed)
            write_xml(
                root / 'ANNOTATIONS' / f'{name}_{number}.xml',
                objects=[(name, 3, 5, 22, 14)],
            )
    return root


def snapshot(root: Path) -> dict[str, bytes | str]:
    """Every file below a folder with its bytes, links with their target."""
    return {
        path.relative_to(root).as_posix(): (
            f'-> {path.readlink()}' if path.is_symlink() else path.read_bytes()
        )
        for path in sorted(root.rglob('*'))
        if path.is_symlink() or path.is_file()
    }


def load(dst: Path, name: str) -> dict:
    return json.loads((dst / 'annotations' / f'{name}.json').read_text())


def by_name(dst: Path, *lists: str) -> dict[str, dict]:
    """Image of each file name with its boxes as (class, bbox)."""
    found = {}
    for key in lists:
        coco = load(dst, key)
        names = {entry['id']: entry['name'] for entry in coco['categories']}
        for image in coco['images']:
            assert image['file_name'] not in found
            found[image['file_name']] = dict(
                image,
                boxes=[
                    (names[box['category_id']], box['bbox'])
                    for box in coco['annotations']
                    if box['image_id'] == image['id']
                ],
            )
    return found


def kinds(report) -> dict[str, list[str]]:
    return {
        kind: [file for file, _ in entries]
        for kind, entries in report.findings.items()
    }


def write_list(folder: Path, split: str, *lines: str) -> None:
    folder.mkdir(exist_ok=True)
    text = ''.join(f'{line}\n' for line in lines)
    (folder / f'{split}.txt').write_text(text, encoding='utf-8')


def dents(root: Path, images: Sequence[np.ndarray]) -> Path:
    """A dataset of 100 x 100 pixel images: ``dent_1.png`` and so on."""
    (root / 'images').mkdir(parents=True)
    for number, image in enumerate(images, start=1):
        cv2.imwrite(str(root / 'images' / f'dent_{number}.png'), image)
        write_xml(
            root / 'annotations' / f'dent_{number}.xml',
            objects=[('dent', 3, 5, 22, 14)],
            size=(100, 100),
        )
    return root


SPLITS = ('train', 'val', 'test')
_NUMBERS = dict(train=(1, 2, 3, 4, 5, 6), val=(7, 8), test=(9, 10))


def listed(split: str) -> list[str]:
    """Images of :func:`flat_dataset` that are given to a split."""
    return [f'{c}_{n}.png' for c in ('dent', 'rust') for n in _NUMBERS[split]]


def write_lists(folder: Path) -> Path:
    """Lists that name each image of :func:`flat_dataset` once."""
    for split in SPLITS:
        write_list(folder, split, *listed(split))
    return folder
