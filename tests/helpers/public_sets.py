"""Makes small copies of public data sets, in the layouts they have.

Names of labels and classes are written out here once more, so that a wrong
line in the files of ``configs/_base_/datasets/class_names`` is found. Files
are named after their class and a number (``<class>_<number>.jpg``) or what
the data set has (``<class>--<name>.jpg``), ``none`` for defect-free images.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from helpers.labelme_maker import shape, write_labelme
from helpers.mask_maker import mask_of, png
from helpers.voc_maker import surface, write_image, write_xml

# Width and height; the largest window of the shipped generators fits.
SIZE = (160, 128)
# Corners of the only defect in each image.
CORNERS = (41, 51, 60, 64)

# Label in the data set of each class, in the order of the classes.
NEU_DET = dict.fromkeys(
    (
        'crazing',
        'inclusion',
        'patches',
        'pitted_surface',
        'rolled-in_scale',
        'scratches',
    )
)
GC10_DET = {
    'crease': '9_zhehen',
    'crescent_gap': '3_yueyawan',
    'inclusion': '7_yiwu',
    'oil_spot': '5_youban',
    'punching_hole': '1_chongkong',
    'rolled_pit': '8_yahen',
    'silk_spot': '6_siban',
    'waist_folding': '10_yaozhed',
    'water_spot': '4_shuiban',
    'welding_line': '2_hanfeng',
}
TIANCHI = {
    'corner_leakage': '角位漏底',
    'dirty_spot': '脏点',
    'jet': '喷流',
    'leakage': '漏底',
    'non_conductive': '不导电',
    'orange_peel': '桔皮',
    'paint_bubble': '漆泡',
    'pit': '起坑',
    'scratch': '擦花',
    'variegated': '杂色',
}
MAGNETIC_TILE = dict.fromkeys(('Blowhole', 'Break', 'Crack', 'Fray', 'Uneven'))
SEVERSTAL = dict.fromkeys('1234')


def neu_det(root: Path, count: int) -> None:
    seed = 0
    for name in NEU_DET:
        for number in range(1, count + 1):
            seed += 1
            stem = f'{name}_{number}'
            write_image(root / f'IMAGES/{stem}.jpg', seed, size=SIZE)
            _write_voc(root / f'ANNOTATIONS/{stem}.xml', name)


def gc10_det(root: Path, count: int) -> None:
    """With both spellings of the tenth label, and its bogus one."""
    seed = 0
    for name, label in GC10_DET.items():
        folder = label.split('_')[0]
        for number in range(1, count + 1):
            seed += 1
            stem = f'{name}--img_{int(folder):02}_{number:05}'
            write_image(root / f'{folder}/{stem}.jpg', seed, size=SIZE)
            labels = [label]
            if name == 'waist_folding' and number == 1:
                labels = ['10_yaozhe']
            if name == 'welding_line' and number == 1:
                labels += ['d']
            _write_voc(root / f'lable/{stem}.xml', *labels)
    write_image(root / '5/img_05_00000.jpg', seed + 1, size=SIZE)


def tianchi(root: Path, count: int) -> None:
    """In color; folders of single, of several and of no defects."""
    seed = 0
    x1, y1, x2, y2 = CORNERS
    corners = (x1 - 1, y1 - 1), (x2, y1 - 1), (x2, y2), (x1 - 1, y2)
    for name, label in TIANCHI.items():
        for number in range(1, count + 1):
            seed += 1
            folder = '多瑕疵图片' if number == 1 else f'单瑕疵图片/{label}'
            path = root / folder / f'{name}--{label}{number}.jpg'
            write_labelme(
                path, shape(label, None, *corners), seed=seed, size=SIZE
            )
            _write_color(path, seed)
    path = root / '无瑕疵图片/none--正常1.jpg'
    path.parent.mkdir()
    _write_color(path, seed + 1)


def magnetic_tile(root: Path, count: int) -> None:
    seed = 0
    for kind in (*MAGNETIC_TILE, 'Free'):
        shown = 'none' if kind == 'Free' else kind
        for _ in range(count):
            seed += 1
            stem = f'{shown}--exp1_num_{100 * seed}'
            path = root / f'MT_{kind}/Imgs/{stem}.jpg'
            write_image(path, seed, size=SIZE)
            mask = mask_of(*([] if kind == 'Free' else [_box()]), size=SIZE)
            path.with_suffix('.png').write_bytes(png(mask))


def severstal(root: Path, count: int) -> None:
    rows = ['ImageId,ClassId,EncodedPixels']
    x, y, w, h = _box()
    # Numbered from 1, down the columns.
    runs = ' '.join(
        f'{column * SIZE[1] + y + 1} {h}' for column in range(x, x + w)
    )
    seed = 0
    for kind in (*SEVERSTAL, 'none'):
        for number in range(1, count + 1):
            seed += 1
            name = f'{kind}--{number:04}.jpg'
            write_image(root / 'train_images' / name, seed, size=SIZE)
            if kind != 'none':
                rows.append(f'{name},{kind},{runs}')
    write_image(root / 'test_images/t.jpg', seed + 1, size=SIZE)
    (root / 'train.csv').write_text('\n'.join([*rows, '']))


# Maker and classes by the folder that a data set is prepared into.
SETS: dict[str, tuple[Callable[[Path, int], None], tuple[str, ...]]] = {
    'data/NEU-DET': (neu_det, tuple(NEU_DET)),
    'data/GC10-DET': (gc10_det, tuple(GC10_DET)),
    'data/tianchi': (tianchi, tuple(TIANCHI)),
    'data/magnetic-tile': (magnetic_tile, tuple(MAGNETIC_TILE)),
    'data/severstal': (severstal, tuple(SEVERSTAL)),
}


def _box() -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = CORNERS
    return x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1


def _write_voc(path: Path, *labels: str) -> None:
    write_xml(
        path,
        filename=f'{path.stem}.jpg',
        objects=[(label, *CORNERS) for label in labels],
        size=SIZE,
    )


def _write_color(path: Path, seed: int) -> None:
    gray = surface(SIZE[1], SIZE[0], seed)
    assert cv2.imwrite(str(path), np.dstack([gray, 255 - gray, gray // 2]))
