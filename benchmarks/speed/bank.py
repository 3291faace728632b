"""Opening and searching artificial banks of up to a million windows.

This module does not import torch, so that the memory of the process that opens
a bank is not torch's.
"""

import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.speed.table import Row
from mmdet_ddpm_moco.bank.format import (
    FORMAT_VERSION,
    INDEX_DTYPE,
    KINDS,
    NULL,
    source_key,
)
from mmdet_ddpm_moco.bank.patches import PATCHES, PLACE_DTYPE, PLACES
from mmdet_ddpm_moco.bank.reader import DefectBank

SIZES = (1_000, 10_000, 100_000, 1_000_000)
OPENED = 100_000
PER_IMAGE = 10
LOOK_UPS = 200
# Not /proc/self/status, whose numbers may lag behind.
STATUS = Path('/proc/self/smaps_rollup')
CLASSES = ('pit', 'scratch', 'scale')


def image_name(number: int) -> str:
    """Name of an artificial image."""
    return f'plate_{number}.png'


def write_artificial_bank(root: Path, windows: int) -> Path:
    """Writes a bank's manifest and index, without any pixels.

    Window ``i`` is one of image ``i // PER_IMAGE``.

    Args:
        root (Path): Folder of the bank.
        windows (int): Its size, at least 1.

    Returns:
        Path: ``root``.
    """
    rng = np.random.RandomState(0)
    number = np.arange(windows)
    images = number[-1] // PER_IMAGE + 1
    keys = np.array([source_key(image_name(i)) for i in range(images)], 'u8')
    index = np.zeros(windows, INDEX_DTYPE)
    index['source'] = keys[number // PER_IMAGE]
    index['number'] = number
    index['kind'] = rng.randint(len(KINDS), size=windows)
    index['label'] = rng.randint(len(CLASSES), size=windows)
    index['window'][:, :2] = rng.randint(100, size=(windows, 2))
    index['window'][:, 2:] = 64
    index['box'] = index['window'] + (16, 16, -32, -32)
    null = index['kind'] == KINDS.index(NULL)
    index['label'][null] = -1
    index['box'][null] = 0
    root.mkdir(parents=True, exist_ok=True)
    # A stable sort keeps the numbers of each image in order.
    np.save(
        root / 'index.npy', index[np.argsort(index['source'], kind='stable')]
    )
    places = np.zeros(windows, PLACE_DTYPE)
    places['number'] = number
    np.save(root / PLACES, places)
    (root / PATCHES).touch()
    manifest = dict(
        format_version=FORMAT_VERSION, classes=CLASSES, kept=windows
    )
    (root / 'manifest.json').write_text(json.dumps(manifest))
    return root


def look_up(bank: DefectBank, paths: list[str]) -> float:
    """Seconds that one look-up takes, on average over the paths."""
    start = time.perf_counter()
    for path in paths:
        bank.windows_of(path)
    return (time.perf_counter() - start) / len(paths)


def drawn_paths(windows: int) -> list[str]:
    """Paths of images of a artificial bank, as a pipeline has them."""
    images = (windows - 1) // PER_IMAGE + 1
    drawn = np.random.RandomState(1).randint(images, size=LOOK_UPS)
    return [f'data/artificial/images/{image_name(i)}' for i in drawn]


def bank_rows(repeats: int) -> list[Row]:
    """Times opening a large bank, and look-ups in banks of several sizes.

    Args:
        repeats (int): Fresh processes, and turns of look-ups, at least 1.

    Returns:
        list[Row]: Seconds and memory of opening; microseconds of a look-up
        by size, and their ratio for the largest and the smallest bank.
    """
    with tempfile.TemporaryDirectory() as folder:
        roots = {
            size: write_artificial_bank(Path(folder) / str(size), size)
            for size in (*SIZES, OPENED)
        }
        opened = [_in_fresh_process(roots[OPENED]) for _ in range(repeats)]
        took = _look_up_medians({s: roots[s] for s in SIZES}, repeats)
    seconds, grown, used = zip(*opened)
    name = f'opening {OPENED:,} windows'
    how = f'median of {repeats} fresh processes'
    every = (
        f'{PER_IMAGE} windows an image; median of {repeats} times '
        f'{LOOK_UPS} look-ups, in turns'
    )
    return [
        Row('bank', name, median(seconds), 's', how, most=1),
        _memory(f'{name}: memory', grown, how),
        _memory(f'{name} and {LOOK_UPS} look-ups: memory', used, how),
        *(
            Row('bank', f'look-up among {s:,}', 1e6 * took[s], 'µs', every)
            for s in SIZES
        ),
        Row(
            'bank',
            f'look-up among {SIZES[-1]:,} against {SIZES[0]:,}',
            took[SIZES[-1]] / took[SIZES[0]],
            'x',
            every,
        ),
    ]


def _memory(what: str, grown: tuple, how: str) -> Row:
    if None in grown:
        return Row('bank', what, None, 'MB', 'this system has no /proc')
    return Row('bank', what, median(grown) / 1e6, 'MB', how, most=150)


def _look_up_medians(roots: dict[int, Path], repeats: int) -> dict[int, float]:
    banks = {size: DefectBank(root) for size, root in roots.items()}
    paths = {size: drawn_paths(size) for size in banks}
    took: dict[int, list[float]] = {size: [] for size in banks}
    for turn in range(repeats + 1):
        for size, bank in banks.items():
            spent = look_up(bank, paths[size])
            if turn:  # the first warms up
                took[size].append(spent)
    return {size: median(values) for size, values in took.items()}


def _in_fresh_process(root: Path) -> tuple:
    with ProcessPoolExecutor(1, get_context('spawn')) as pool:
        return pool.submit(_open, root).result()


def _open(root: Path) -> tuple[float, int | None, int | None]:
    """Seconds, and bytes of memory gained by opening and by look-ups."""
    before = _resident_bytes()
    start = time.perf_counter()
    bank = DefectBank(root)
    seconds = time.perf_counter() - start
    opened = _resident_bytes()
    look_up(bank, drawn_paths(len(bank)))
    used = _resident_bytes()
    if before is None:
        return seconds, None, None
    return seconds, opened - before, used - before


def _resident_bytes() -> int | None:
    try:
        text = STATUS.read_text()
    except OSError:
        return None
    line = next(x for x in text.splitlines() if x.startswith('Rss:'))
    return 1024 * int(line.split()[1])
