"""Makes small YOLO data sets for the tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers.voc_maker import write_image

# Of 40 x 40 pixels: left, top, width and height are 2, 4, 20 and 10.
LINE = '0 0.3 0.225 0.5 0.25'
NAMES = 'names: [dent, rust]\n'


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')


def split_yolo(root: Path, pattern: str, counts: Mapping[str, int]) -> Path:
    """Images of each split, ``<split>_<number>.png`` with one box each.

    ``pattern`` is where they are: ``'{kind}/{split}'`` with the kinds
    ``images`` and ``labels``, say.
    """
    seed = 0
    for split, count in counts.items():
        for number in range(1, count + 1):
            seed += 1
            images = pattern.format(kind='images', split=split)
            labels = pattern.format(kind='labels', split=split)
            write_image(root / images / f'{split}_{number}.png', seed)
            write_text(root / labels / f'{split}_{number}.txt', f'{LINE}\n')
    write_text(root / 'data.yaml', NAMES)
    return root


def flat_yolo(root: Path, labels: Mapping[str, Sequence[str] | None]) -> Path:
    """Lines by stem, in ``images/`` and ``labels/``; None for no file."""
    for seed, (stem, lines) in enumerate(labels.items(), start=1):
        write_image(root / 'images' / f'{stem}.png', seed)
        if lines is not None:
            text = ''.join(f'{line}\n' for line in lines)
            write_text(root / 'labels' / f'{stem}.txt', text)
    write_text(root / 'data.yaml', NAMES)
    return root
