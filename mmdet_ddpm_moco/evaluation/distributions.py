"""Compares distributions: bank to real beside real to real.

All metrics of distributions depend on the number of windows and on the mix
of classes. So they are also computed on *matched subsets*: sets of one size
and one mix of classes, compared with one reference, over several draws.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from tqdm import tqdm

from .fidelity import MIN_WINDOWS, compare, inception_score
from .windows import DefectWindow

ALL = 'all'
TRAINING = 'training'
OVERALL = 'overall'
METRICS = (
    'frechet_distance',
    'kid',
    'precision',
    'recall',
    'inception_score',
)
# Draws of matched subsets.
SPLITS = 5


@dataclass(frozen=True)
class WindowSet:
    """N windows and what was computed from them."""

    windows: Sequence[DefectWindow]
    features: Tensor  # float32 (N, D)
    logits: Tensor | None  # float32 (N, classes)
    spectra: np.ndarray  # float64 (N, bands), in dB

    def take(self, indices: np.ndarray | Sequence[int]) -> 'WindowSet':
        """Some of the windows, by index or by a bool mask."""
        chosen = np.arange(len(self.windows))[indices]
        return WindowSet(
            [self.windows[i] for i in chosen],
            self.features[chosen],
            None if self.logits is None else self.logits[chosen],
            self.spectra[chosen],
        )

    @property
    def labels(self) -> np.ndarray:
        """Class of each window, int (N, )."""
        return np.array([w.label for w in self.windows], int)

    @property
    def kinds(self) -> np.ndarray:
        """Kind of each window, str (N, )."""
        return np.array([w.kind for w in self.windows], str)

    @property
    def images(self) -> np.ndarray:
        """Image of each window, int (N, )."""
        return np.array([w.image for w in self.windows], int)


@dataclass(frozen=True)
class MatchedSubsets:
    """Indices, int (n, ), of three sets with equal numbers of each class."""

    bank: np.ndarray  # of synthesized windows
    real: np.ndarray  # of real windows: one half
    reference: np.ndarray  # likewise: of the other half
    labels: np.ndarray  # the class of each, in all three

    def __len__(self) -> int:
        return len(self.labels)

    def of_class(self, label: int) -> 'MatchedSubsets':
        """The part that is of one class."""
        parts = (self.bank, self.real, self.reference, self.labels)
        return MatchedSubsets(*(part[self.labels == label] for part in parts))


def draw_matched_subsets(
    bank: WindowSet, real: WindowSet, seed: int
) -> MatchedSubsets:
    """Splits the real images in halves at random and draws matched subsets.

    Windows of one image stay in one half. Of each class there are as many
    windows as in the smallest of the three sets.
    """
    rng = np.random.RandomState(seed)
    images = rng.permutation(np.unique(real.images))
    in_first = np.isin(real.images, images[: len(images) // 2])
    parts: list[list[np.ndarray]] = [[np.zeros(0, int)] for _ in range(4)]
    for label in np.unique(bank.labels):
        pools = [
            np.flatnonzero(bank.labels == label),
            np.flatnonzero(in_first & (real.labels == label)),
            np.flatnonzero(~in_first & (real.labels == label)),
        ]
        n = min(map(len, pools))
        drawn = [rng.choice(pool, n, replace=False) for pool in pools]
        for part, chosen in zip(parts, (*drawn, np.full(n, label))):
            part.append(chosen)
    return MatchedSubsets(*map(np.concatenate, parts))


def matched_subsets_by_class(
    bank: WindowSet, real: WindowSet, classes: Sequence[str]
) -> Iterator[tuple[str, list[MatchedSubsets]]]:
    """Draws that are large enough, of each class and ``'overall'``.

    The same draws serve every metric.
    """
    draws = [draw_matched_subsets(bank, real, seed) for seed in range(SPLITS)]
    for label, name in enumerate([*classes, OVERALL]):
        if name != OVERALL:
            found = [draw.of_class(label) for draw in draws]
        else:
            found = draws
        yield name, [draw for draw in found if len(draw) >= MIN_WINDOWS]


def mean_size(draws: Sequence[MatchedSubsets]) -> float:
    """Mean number of windows on each side, for a report."""
    return round(float(np.mean([len(draw) for draw in draws])), 1)


def by_kind(
    bank: WindowSet, real: WindowSet, train: WindowSet | None = None
) -> dict[str, tuple[WindowSet, WindowSet]]:
    """Splits a bank, with the real windows to compare each part with.

    Only defects that fit into a window are added, so added ones are compared
    with such. One part is the training windows in place of the bank: a bank
    shows only their backgrounds, and how these differ from held-out ones is
    not due to the generator. It needs ``train``, the windows of the training
    images, where ``real`` are held-out ones.

    Returns:
        dict: ``'all'``, ``'add'``, ``'replaces'`` and ``'training'``, those
        there are.
    """
    whole = np.array([w.whole for w in real.windows], bool)
    parts = {ALL: (bank, real)}
    for kind, against in (('add', real.take(whole)), ('replaces', real)):
        chosen = bank.kinds == kind
        if chosen.any():
            parts[kind] = (bank.take(chosen), against)
    if train is not None:
        parts[TRAINING] = (train, real)
    return parts


def compare_distributions(
    bank: WindowSet, real: WindowSet, classes: Sequence[str], bar: tqdm
) -> dict[str, dict]:
    """Compares a bank, or one kind of it, with real windows.

    ``bar`` is advanced by one for each class and once overall.

    Returns:
        dict[str, dict]: For each class and ``'overall'``: ``counts``
        (``bank``, ``real``), ``all`` (metrics of all windows, None where
        there are too few) and ``matched`` (``n``, ``splits`` and for
        ``bank`` and ``real`` the ``mean`` and ``std`` of each metric over
        the splits, None likewise).
    """
    result = {}
    groups = matched_subsets_by_class(bank, real, classes)
    for label, (name, draws) in enumerate(groups):
        of_bank, of_real = bank, real
        if name != OVERALL:
            of_bank = bank.take(bank.labels == label)
            of_real = real.take(real.labels == label)
        counts = dict(bank=len(of_bank.windows), real=len(of_real.windows))
        enough = min(counts.values()) >= MIN_WINDOWS
        result[name] = dict(
            counts=counts,
            all=_metrics(of_bank, of_real) if enough else None,
            matched=_matched_metrics(bank, real, draws) if draws else None,
        )
        bar.update()
    return result


def _metrics(generated: WindowSet, real: WindowSet) -> dict[str, float]:
    metrics = compare(generated.features, real.features)
    if generated.logits is not None:
        metrics |= inception_score(generated.logits)
    return metrics


def _matched_metrics(
    bank: WindowSet, real: WindowSet, draws: Sequence[MatchedSubsets]
) -> dict:
    found: dict[str, list[dict]] = dict(bank=[], real=[])
    for draw in draws:
        reference = real.take(draw.reference)
        found['bank'].append(_metrics(bank.take(draw.bank), reference))
        found['real'].append(_metrics(real.take(draw.real), reference))
    sides = {}
    for side, metrics in found.items():
        values = {
            key: [m[key] for m in metrics]
            for key in METRICS
            if key in metrics[0]
        }
        sides[side] = {
            key: dict(mean=float(np.mean(v)), std=float(np.std(v)))
            for key, v in values.items()
        }
    return dict(n=mean_size(draws), splits=len(draws), **sides)
