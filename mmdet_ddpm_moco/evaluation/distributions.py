"""Bank against real beside real against real, by kind and class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from tqdm import tqdm

from .fidelity import MIN_WINDOWS, compare, inception_score
from .matched_subsets import SPLITS, EqualSets, draw_equal_sets
from .windows import DefectWindow

ALL = 'all'
TRAINING = 'training'
OVERALL = 'overall'
_FIGURES = ('frechet', 'kid', 'precision', 'recall', 'isc')


@dataclass(frozen=True)
class Measured:
    """Windows and what was computed of them.

    Attributes:
        windows (Sequence[DefectWindow]): N windows.
        features (torch.Tensor): float32 (N, D).
        logits (torch.Tensor | None): float32 (N, classes).
        spectra (np.ndarray): float64 (N, bands), in dB.
    """

    windows: Sequence[DefectWindow]
    features: Tensor
    logits: Tensor | None
    spectra: np.ndarray

    def take(self, indices: Sequence[int]) -> 'Measured':
        """Some of the windows."""
        indices = np.asarray(indices, int)
        return Measured(
            [self.windows[i] for i in indices],
            self.features[indices],
            None if self.logits is None else self.logits[indices],
            self.spectra[indices],
        )

    @property
    def labels(self) -> np.ndarray:
        """Class of each window, int (N, )."""
        return np.array([w.label for w in self.windows], int)


def by_kind(
    bank: Measured, real: Measured, train: Measured | None = None
) -> dict[str, tuple[Measured, Measured]]:
    """Parts of a bank, each with the real windows to compare it with.

    Only defects that fit into a window are added to free ground, so added
    ones are compared with such. The training windows take the bank's place
    once, because a bank shows few grounds, theirs: what keeps these from the
    held-out ones is no fault of the generator.

    Args:
        bank (Measured): Synthesized windows.
        real (Measured): Real ones.
        train (Measured | None): Windows of the training images where
            ``real`` are held-out ones. Defaults to None.

    Returns:
        dict: ``'all'``, ``'add'``, ``'replaces'`` and ``'training'``, those
        there are.
    """
    parts = {ALL: (bank, real)}
    for kind in ('add', 'replaces'):
        chosen = [i for i, w in enumerate(bank.windows) if w.kind == kind]
        against = real
        if kind == 'add':
            against = real.take(
                [i for i, w in enumerate(real.windows) if w.whole]
            )
        if chosen:
            parts[kind] = (bank.take(chosen), against)
    if train is not None:
        parts[TRAINING] = (train, real)
    return parts


def equal_splits(bank: Measured, real: Measured) -> list[EqualSets]:
    """Several draws of equal sets, the same for every measure."""
    images = [w.image for w in real.windows]
    return [
        draw_equal_sets(bank.labels, real.labels, images, seed)
        for seed in range(SPLITS)
    ]


def compare_distributions(
    bank: Measured, real: Measured, classes: Sequence[str], bar: tqdm
) -> dict[str, dict]:
    """Compares a bank, or one kind of it, with real windows.

    Args:
        bank (Measured): Synthesized windows.
        real (Measured): Real ones.
        classes (Sequence[str]): Class names by label.
        bar (tqdm): Moved on by one for each class and once overall.

    Returns:
        dict[str, dict]: For ``'overall'`` and each class, ``counts``
        (``bank``, ``real``), ``all`` (figures of all windows, None where
        there are too few) and ``equal`` (``n``, ``splits`` and for ``bank``
        and ``real`` each figure's ``mean`` and ``std`` over the splits,
        None likewise).
    """
    splits = equal_splits(bank, real)
    result = {}
    for label, name in enumerate([*classes, OVERALL]):
        if name == OVERALL:
            of_bank, of_real, draws = bank, real, splits
        else:
            of_bank = bank.take(np.flatnonzero(bank.labels == label))
            of_real = real.take(np.flatnonzero(real.labels == label))
            draws = [s.of_class(label) for s in splits]
        enough = min(len(of_bank.windows), len(of_real.windows))
        result[name] = dict(
            counts=dict(bank=len(of_bank.windows), real=len(of_real.windows)),
            all=_figures(of_bank, of_real) if enough >= MIN_WINDOWS else None,
            equal=_equal(bank, real, draws),
        )
        bar.update()
    return result


def _figures(generated: Measured, real: Measured) -> dict[str, float]:
    figures = compare(generated.features, real.features)
    if generated.logits is not None:
        figures |= inception_score(generated.logits)
    return figures


def _equal(
    bank: Measured, real: Measured, draws: Sequence[EqualSets]
) -> dict | None:
    draws = [s for s in draws if len(s) >= MIN_WINDOWS]
    if not draws:
        return None
    sides: dict[str, list[dict]] = dict(bank=[], real=[])
    for s in draws:
        reference = real.take(s.reference)
        sides['bank'].append(_figures(bank.take(s.bank), reference))
        sides['real'].append(_figures(real.take(s.real), reference))
    return dict(
        n=round(float(np.mean([len(s) for s in draws])), 1),
        splits=len(draws),
        **{
            side: {
                key: dict(
                    mean=float(np.mean([f[key] for f in found])),
                    std=float(np.std([f[key] for f in found])),
                )
                for key in _FIGURES
                if key in found[0]
            }
            for side, found in sides.items()
        },
    )
