"""Label truth: does a detector of real defects see what the labels say?

It looks at whole images, with one window put back in its place, which is
what it was trained on and what training with the bank will show.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from ..bank.compositing import Box, alpha_box, as_bgr
from ..bank.format import NULL, BankWindow
from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from .distributions import OVERALL
from .judge import Judge, finds, fires_at
from .windows import paste


def measure_label_agreement(
    judge: Judge,
    bank: DefectBank,
    hosts: Sequence[tuple[BankWindow, int]],
    data: LabeledImages,
    real: LabeledImages,
    *,
    iou: float,
    score: float,
) -> dict:
    """Lets a detector look for the labels of a bank.

    Args:
        judge (Judge): A detector trained on real data.
        bank (DefectBank): The bank.
        hosts (Sequence): From :func:`find_hosts`, or some of them.
        data (LabeledImages): The images that the bank was made from.
        real (LabeledImages): Images to take the recall on real boxes from.
        iou (float): Lowest overlap, in (0, 1].
        score (float): Lowest score, in [0, 1].

    Returns:
        dict: ``iou`` and ``score``; ``real``, ``add`` and ``replaces``: by
        class and ``'overall'``, ``n``, ``found``, ``recall`` and, but for
        ``real``, ``relative`` (the recall over that on real boxes of the
        class) and ``before`` (the share found at the same places of the
        untouched hosts); ``null``: ``n``, ``fired`` and ``before``, shares
        of places with a detection, with and without the window. Shares are
        None where n is 0.

    Raises:
        ValueError: A window does not belong to its host.
    """
    options = dict(iou=iou, score=score)
    used = sorted({image for _, image in hosts})
    total = len(used) + len(real.images) + len(hosts)
    with tqdm(total=total, desc='judging', unit='image') as bar:
        untouched = dict(
            zip(used, _shown(judge, (_bgr(data, i) for i in used), bar))
        )
        recall = _Recall(bank.classes)
        every = range(len(real.images))
        seen = _shown(judge, (_bgr(real, i) for i in every), bar)
        for image, detections in zip(real.images, seen):
            for defect in image.defects:
                recall.add(
                    'real',
                    defect.label,
                    finds(detections, defect.box, defect.label, **options),
                )
        null: list[tuple[bool, bool]] = []
        pasted = (
            paste(bank, window, _bgr(data, image)) for window, image in hosts
        )
        seen = _shown(judge, pasted, bar)
        for (window, image), detections in zip(hosts, seen):
            pair = (detections, untouched[image])
            if window.kind == NULL:
                place = _alpha_place(bank, window)
                null.append(tuple(fires_at(d, place, **options) for d in pair))
            else:
                after, before = (
                    finds(d, window.box, window.label, **options) for d in pair
                )
                recall.add(window.kind, window.label, after, before)
    return dict(
        **options,
        **recall.summary(),
        null=dict(
            n=len(null),
            fired=_share([after for after, _ in null]),
            before=_share([before for _, before in null]),
        ),
    )


def _bgr(data: LabeledImages, index: int) -> np.ndarray:
    return as_bgr(data.read(index))


def _shown(judge: Judge, images, bar: tqdm):
    for detections in judge.detect(images):
        bar.update()
        yield detections


def _alpha_place(bank: DefectBank, window: BankWindow) -> Box:
    """Where a ``null`` window was repainted, in its host."""
    _, alpha = bank.read(window)
    x, y, w, h = alpha_box(alpha) or (0, 0, *window.window[2:])
    return window.window[0] + x, window.window[1] + y, w, h


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


class _Recall:
    """Counts what was found, by kind and class."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes
        self.n: dict[str, Counter] = defaultdict(Counter)
        self.found: dict[str, Counter] = defaultdict(Counter)
        self.before: dict[str, Counter] = defaultdict(Counter)

    def add(
        self, kind: str, label: int, after: bool, before: bool = False
    ) -> None:
        for name in (self.classes[label], OVERALL):
            self.n[kind][name] += 1
            self.found[kind][name] += after
            self.before[kind][name] += before

    def summary(self) -> dict[str, dict[str, dict]]:
        real = self._of('real')
        result = dict(real=real)
        for kind in ('add', 'replaces'):
            result[kind] = self._of(kind)
            for name, row in result[kind].items():
                n, base = row['n'], real[name]['recall']
                row['before'] = self.before[kind][name] / n if n else None
                row['relative'] = row['recall'] / base if n and base else None
        return result

    def _of(self, kind: str) -> dict[str, dict]:
        rows = {}
        for name in (*self.classes, OVERALL):
            n, found = self.n[kind][name], self.found[kind][name]
            rows[name] = dict(
                n=n, found=found, recall=found / n if n else None
            )
        return rows
