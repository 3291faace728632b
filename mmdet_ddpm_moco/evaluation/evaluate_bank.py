"""From a bank and real images to a report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..bank.format import BankWindow
from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from .distributions import Measured, by_kind, compare_distributions
from .features import FeatureExtractor, extract
from .fidelity import MIN_WINDOWS
from .judge import Judge
from .label_agreement import measure_label_agreement
from .nearest_neighbors import (
    draw_neighbors,
    nearest_training_windows,
    summarize,
)
from .report import markdown
from .spectrum import CENTERS, compare_spectra, draw_spectra, spectra
from .windows import (
    DefectWindow,
    find_hosts,
    largest_window,
    real_windows,
    synthesised_windows,
)


def evaluate_bank(
    bank: DefectBank,
    train: LabeledImages,
    held_out: LabeledImages | None,
    extractor: FeatureExtractor,
    out: str | Path,
    *,
    judge: Judge | None = None,
    iou: float = 0.5,
    score: float = 0.3,
    most: int = 2000,
    device: str | None = None,
) -> dict:
    """Evaluates a bank and writes the report.

    ``neighbors.png``, ``spectrum.png``, ``report.md`` and, last,
    ``report.json`` are written to the folder.

    Args:
        bank (DefectBank): The bank.
        train (LabeledImages): The images it was made from.
        held_out (LabeledImages | None): Real images to compare with, none
            of them among the training images; None takes these.
        extractor (FeatureExtractor): Ours, or one of the same interface.
        out (str | Path): Folder of the report.
        judge (Judge | None): A detector trained on real data, for label
            truth. Defaults to None.
        iou (float): Lowest overlap of a found box, in (0, 1]. Defaults to
            0.5.
        score (float): Lowest score of a detection, in [0, 1]. Defaults to
            0.3.
        most (int): Windows of a larger bank that are drawn at random, the
            same each time. Defaults to 2000.
        device (str | None): Of the extractor. Defaults to CUDA where there
            is a GPU.

    Returns:
        dict: What is in ``report.json``.

    Raises:
        ValueError: An argument is out of range, the bank does not belong to
            the images, or there are too few windows.
    """
    if not 0 < iou <= 1 or not 0 <= score <= 1:
        msg = f'iou must be in (0, 1] and score in [0, 1], got {iou}, {score}'
        raise InputError(msg)
    if most < MIN_WINDOWS:
        msg = f'at least {MIN_WINDOWS} windows must be evaluated, got {most}'
        raise InputError(msg)
    real = held_out or train
    if real.classes != train.classes:
        msg = (
            f'the real images have the classes {", ".join(real.classes)}, '
            f'the training images {", ".join(train.classes)}'
        )
        raise InputError(msg)
    if held_out is not None:
        _check_apart(train, held_out)
    hosts = _some(find_hosts(bank, train), most)
    limit = largest_window(bank)
    sets = dict(
        synthesized=synthesised_windows(bank, hosts, train),
        training=real_windows(train, limit),
    )
    if held_out is not None:
        sets['held-out'] = real_windows(held_out, limit)
    for name, windows in sets.items():
        if len(windows) < MIN_WINDOWS:
            msg = (
                f'there are {len(windows)} {name} windows with a defect; at '
                f'least {MIN_WINDOWS} are needed for any figure'
            )
            raise InputError(msg)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    measured = {
        name: _measure(extractor, windows, f'{name} windows', device)
        for name, windows in sets.items()
    }
    bank_side, train_side = measured['synthesized'], measured['training']
    real_side = measured.get('held-out', train_side)

    out = Path(out)
    classes = bank.classes
    found = nearest_training_windows(bank_side, train_side)
    draw_neighbors(
        bank_side, train_side, found, classes, out / 'neighbors.png'
    )
    apart = None if held_out is None else train_side
    compared = compare_spectra(bank_side, real_side, classes, apart)
    draw_spectra(compared, out / 'spectrum.png')
    report = dict(
        bank=str(bank.root),
        generator=bank.manifest.get('generator'),
        windows=dict(
            in_bank=len(bank),
            evaluated=len(hosts),
            **{name: len(windows) for name, windows in sets.items()},
        ),
        held_out=held_out is not None,
        features=dict(
            name=extractor.name, dimensions=bank_side.features.shape[1]
        ),
        distributions=_distributions(
            by_kind(bank_side, real_side, apart), classes
        ),
        neighbors=summarize(bank_side, found),
        spectrum=dict(centers=CENTERS.tolist(), **compared),
        label_agreement=judge
        and measure_label_agreement(
            judge, bank, hosts, train, real, iou=iou, score=score
        ),
    )
    write_report(report, out)
    return report


def write_report(report: dict, out: str | Path) -> None:
    """Writes ``report.md`` and, last, ``report.json``.

    Args:
        report (dict): From :func:`evaluate_bank`; perhaps with
            ``trained_on_bank``, from :func:`train_on_bank`.
        out (str | Path): Folder of the report.
    """
    out = Path(out)
    atomic_write_bytes(out / 'report.md', markdown(report).encode())
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    atomic_write_bytes(out / 'report.json', (text + '\n').encode())


def _check_apart(train: LabeledImages, held_out: LabeledImages) -> None:
    seen = {image.path.resolve() for image in train.images}
    both = [i for i in held_out.images if i.path.resolve() in seen]
    if both:
        msg = (
            f'{len(both)} of the real images, {both[0].path} for one, are '
            'training images of the generator: give others, or none to '
            'compare with the training images'
        )
        raise InputError(msg)


def _some(
    hosts: list[tuple[BankWindow, int]], most: int
) -> list[tuple[BankWindow, int]]:
    chosen = np.random.RandomState(0).permutation(len(hosts))[:most]
    return [hosts[i] for i in sorted(chosen)]


def _measure(
    extractor: FeatureExtractor,
    windows: Sequence[DefectWindow],
    what: str,
    device: str,
) -> Measured:
    pictures = [w.pixels for w in windows]
    features, logits = extract(extractor, pictures, what, device)
    return Measured(windows, features, logits, spectra(pictures))


def _distributions(
    parts: Mapping[str, tuple[Measured, Measured]], classes: Sequence[str]
) -> dict[str, dict]:
    total = len(parts) * (len(classes) + 1)
    with tqdm(total=total, desc='comparing', unit='set') as bar:
        return {
            kind: compare_distributions(*sides, classes, bar)
            for kind, sides in parts.items()
        }
