"""Label agreement: does a detector of real defects find the labels of a bank?

It is run on whole images with one window pasted, like those it was trained
on and those that training with the bank will show.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ..bank.compositing import Box, alpha_box, as_bgr
from ..bank.format import ADD, NULL, REPLACES, BankWindow
from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from .distributions import OVERALL
from .judge import Detections, Judge
from .windows import Hosts, paste_on_host

# By kind and class: whether each defect was found, and whether it was found
# in the original host already.
Found = dict[tuple[str, str], list[tuple[bool, bool]]]


def measure_label_agreement(
    judge: Judge,
    bank: DefectBank,
    hosts: Hosts,
    data: LabeledImages,
    real: LabeledImages,
    *,
    iou: float,
    score: float,
) -> dict:
    """Counts the labels of a bank that a detector finds.

    ``hosts`` are those of :func:`find_hosts`, or some of them. ``data`` are
    the images that the bank was made from, ``real`` those for the recall on
    real boxes; those that detectors have labeled are left out. ``iou``, in
    (0, 1], is the lowest overlap of a found box.

    Returns:
        dict: ``iou`` and ``score``; ``real``, ``add`` and ``replaces``: by
        class and ``'overall'``, ``n``, ``found``, ``recall`` and, except for
        ``real``, ``relative_recall`` (divided by that on real boxes of the
        class) and ``host_recall`` (at the same places of the original
        hosts); ``null``: ``n``, ``false_positive_rate`` and
        ``host_false_positive_rate``, shares of places with a detection, with
        and without the window. Ratios are None where n is 0.

    Raises:
        ValueError: A window does not belong to its host.
    """
    limits = dict(iou=iou, score=score)
    used = sorted({image for _, image in hosts})
    labeled = [
        i for i, image in enumerate(real.images) if not image.pseudo_labeled
    ]
    found: Found = defaultdict(list)

    def add(kind: str, label: int, after: bool, host: bool = False) -> None:
        for name in (bank.classes[label], OVERALL):
            found[kind, name].append((after, host))

    total = len(used) + len(labeled) + len(hosts)
    with tqdm(total=total, desc='judging', unit='image') as bar:

        def detect(images: Iterable[np.ndarray]) -> Iterator[Detections]:
            for detections in judge.detect(images):
                bar.update()
                yield detections

        originals = (as_bgr(data.read(i)) for i in used)
        before = dict(zip(used, detect(originals)))
        images = (as_bgr(real.read(i)) for i in labeled)
        for index, seen in zip(labeled, detect(images)):
            for defect in real.images[index].defects:
                hit = seen.has(defect.box, defect.label, **limits)
                add('real', defect.label, hit)
        pasted = (paste_on_host(bank, data, w, image) for w, image in hosts)
        for (window, index), seen in zip(hosts, detect(pasted)):
            pair = seen, before[index]
            if window.kind == NULL:
                place = _alpha_place(bank, window)
                after, host = (d.has_any(place, **limits) for d in pair)
                found[NULL, OVERALL].append((after, host))
            else:
                after, host = (
                    d.has(window.box, window.label, **limits) for d in pair
                )
                add(window.kind, window.label, after, host)
    null = found[NULL, OVERALL]
    return dict(
        **limits,
        **_recalls(found, (*bank.classes, OVERALL)),
        null=dict(
            n=len(null),
            false_positive_rate=_share([after for after, _ in null]),
            host_false_positive_rate=_share([host for _, host in null]),
        ),
    )


def _alpha_place(bank: DefectBank, window: BankWindow) -> Box:
    """The synthesized part of a ``null`` window, in its host."""
    _, alpha = bank.read(window)
    x, y, w, h = alpha_box(alpha) or (0, 0, *window.window[2:])
    return window.window[0] + x, window.window[1] + y, w, h


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _recalls(found: Found, names: Sequence[str]) -> dict[str, dict[str, dict]]:
    result: dict[str, dict[str, dict]] = {}
    for kind in ('real', ADD, REPLACES):
        rows = result[kind] = {}
        for name in names:
            flags = [after for after, _ in found[kind, name]]
            recall = _share(flags)
            rows[name] = dict(n=len(flags), found=sum(flags), recall=recall)
            if kind == 'real':
                continue
            base = result['real'][name]['recall']
            rows[name]['host_recall'] = _share(
                [host for _, host in found[kind, name]]
            )
            rows[name]['relative_recall'] = (
                recall / base if recall is not None and base else None
            )
    return result
