"""From a bank and real images to a report."""

import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from ..utils.checks import check_arguments
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from ..utils.provenance import find_copies, fingerprints, record_images
from .distributions import WindowSet, by_kind, compare_distributions
from .features import Extractor, extract
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
    find_hosts,
    largest_window,
    real_windows,
    synthesized_windows,
)


def evaluate_bank(
    bank: DefectBank,
    train: LabeledImages,
    held_out: LabeledImages | None,
    extractor: Extractor,
    out: str | Path,
    *,
    judge: Judge | None = None,
    iou: float = 0.5,
    score: float = 0.3,
    max_windows: int = 2000,
    device: str | None = None,
) -> dict:
    """Evaluates a bank and writes the report.

    ``neighbors.png``, ``spectrum.png``, ``report.md`` and, last,
    ``report.json`` are written to the folder.

    Args:
        bank (DefectBank): The bank.
        train (LabeledImages): The images it was made from.
        held_out (LabeledImages | None): Real images to compare with, none
            of them a training image or a near copy of one; None takes the
            training images.
        extractor (nn.Module): From :func:`choose_extractor`.
        out (str | Path): Folder of the report.
        judge (Judge | None): A detector trained on real data, for label
            agreement. Defaults to None.
        iou (float): Lowest overlap of a found box, in (0, 1]. Defaults to
            0.5.
        score (float): Lowest score of a detection, in [0, 1]. Defaults to
            0.3.
        max_windows (int): Of a larger bank so many windows are drawn, the
            same each time. Defaults to 2000.
        device (str | None): Of the extractor. Defaults to CUDA where there
            is a GPU.

    Returns:
        dict: What is in ``report.json``.

    Raises:
        ValueError: An argument is out of range, the bank does not belong to
            the images, or there are too few windows.
    """
    check_arguments(
        locals(),
        iou=(0 < iou <= 1, 'in (0, 1]'),
        score=(0 <= score <= 1, 'in [0, 1]'),
        max_windows=(max_windows >= MIN_WINDOWS, f'at least {MIN_WINDOWS}'),
    )
    real = held_out or train
    if held_out is not None:
        _check_held_out(train, held_out)
    hosts = find_hosts(bank, train)
    drawn = np.random.RandomState(0).permutation(len(hosts))[:max_windows]
    hosts = [hosts[i] for i in sorted(drawn)]
    limit = largest_window(bank)
    sets = dict(
        synthesized=synthesized_windows(bank, hosts, train),
        training=real_windows(train, limit),
    )
    if held_out is not None:
        sets['held-out'] = real_windows(held_out, limit)
    for name, windows in sets.items():
        if len(windows) < MIN_WINDOWS:
            msg = (
                f'there are {len(windows)} {name} windows with a defect; at '
                f'least {MIN_WINDOWS} are needed for any metric'
            )
            raise InputError(msg)
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    measured = {}
    for name, windows in sets.items():
        pixels = [window.pixels for window in windows]
        found = extract(extractor, pixels, f'{name} windows', device)
        measured[name] = WindowSet(windows, *found, spectra(pixels))
    made, seen = measured['synthesized'], measured['training']
    against = measured.get('held-out', seen)
    apart = None if held_out is None else seen

    out, classes = Path(out), bank.classes
    neighbors = nearest_training_windows(made, seen)
    draw_neighbors(made, seen, neighbors, classes, out / 'neighbors.png')
    compared = compare_spectra(made, against, classes, apart)
    draw_spectra(compared, out / 'spectrum.png')
    parts = by_kind(made, against, apart)
    total = len(parts) * (len(classes) + 1)
    with tqdm(total=total, desc='comparing', unit='set') as bar:
        distributions = {
            kind: compare_distributions(*sides, classes, bar)
            for kind, sides in parts.items()
        }
    report = dict(
        bank=str(bank.root),
        generator=bank.manifest.get('generator'),
        windows=dict(
            in_bank=len(bank),
            evaluated=len(hosts),
            **{name: len(windows) for name, windows in sets.items()},
        ),
        held_out=held_out is not None,
        features=dict(name=extractor.name, dimensions=made.features.shape[1]),
        distributions=distributions,
        neighbors=summarize(made, neighbors),
        spectrum=dict(centers=CENTERS.tolist(), **compared),
        label_agreement=judge
        and measure_label_agreement(
            judge, bank, hosts, train, real, iou=iou, score=score
        ),
    )
    write_report(report, out)
    return report


def write_report(report: dict, out: str | Path) -> None:
    """Writes ``report.md`` and, last, ``report.json`` to a folder.

    The report may have ``trained_on_bank``, from :func:`train_on_bank`.
    """
    out = Path(out)
    atomic_write_bytes(out / 'report.md', markdown(report).encode())
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    atomic_write_bytes(out / 'report.json', (text + '\n').encode())


def _check_held_out(train: LabeledImages, held_out: LabeledImages) -> None:
    if held_out.classes != train.classes:
        msg = (
            f'the real images have the classes {", ".join(held_out.classes)}, '
            f'the training images {", ".join(train.classes)}'
        )
        raise InputError(msg)
    copies = find_copies(
        fingerprints(image.path for image in held_out.images),
        record_images(image.path for image in train.images),
    )
    if copies:
        msg = (
            f'{len(copies)} of the real images, {copies[0].path} for one '
            f'(seen as {copies[0].seen}), are training images of the '
            'generator, or near copies of them: give others, or none to '
            'compare with the training images'
        )
        raise InputError(msg)
