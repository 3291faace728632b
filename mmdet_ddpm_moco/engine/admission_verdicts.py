"""What detectors of folds say of a part: their scores, and the verdict."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..evaluation.average_precision import bootstrap, summary
from ..evaluation.detection_matches import match_detections
from ..evaluation.statistics import bootstrap_interval
from ..utils.run_logged import run_logged
from .detector_runs import Command, detect, train_to_end
from .image_sets import ImageSet

HELPS, HARMS, UNSURE = 'helps', 'harms', 'cannot tell'
RESAMPLES = 1000


@dataclass(frozen=True)
class Verdict:
    """Of one part, on top of those before it that were kept.

    Attributes:
        part (str): Of :data:`~.admission_folds.PARTS`.
        without (float): AP50 without it, in percent.
        difference (float): What it adds to it.
        low (float): Lower end of the 95 % interval of a bootstrap over the
            labeled images; upper end likewise.
        high (float): See ``low``.
        kept (bool): Whether the detector gets it.
    """

    part: str
    without: float
    difference: float
    low: float
    high: float
    kept: bool

    @property
    def verdict(self) -> str:
        """``HELPS``, ``HARMS`` or ``UNSURE``."""
        return verdict(self.low, self.high)

    def __str__(self) -> str:
        return (
            f'{self.part} {self.verdict}: AP50 {self.without:.1f} '
            f'{self.difference:+.1f} ({self.low:+.1f} … {self.high:+.1f}), '
            f'{"kept" if self.kept else "left out"}'
        )


@dataclass(frozen=True)
class Scores:
    """Of the detectors of all folds together.

    Attributes:
        ap50 (float): In percent.
        resampled (list[float]): The same of resampled images, as many draws
            as :data:`RESAMPLES`; the same ones in all scores of the images.
    """

    ap50: float
    resampled: list[float]


def verdict(low: float, high: float) -> str:
    """What an interval of the difference in AP50 says."""
    if low > 0:
        return HELPS
    return HARMS if high < 0 else UNSURE


def score_folds(
    labeled: ImageSet,
    detectors: Sequence[Path],
    command: Command = run_logged,
    classes: Sequence[str] = (),
) -> Scores:
    """Trains the detectors of all folds and scores them together.

    What is trained is not trained again.

    Args:
        labeled (ImageSet): All labeled images.
        detectors (Sequence[Path]): A config for each fold, from
            :meth:`Fold.detector`; detections are written beside it.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.
        classes (Sequence[str]): Those that the detectors find; others of the
            labels do not count. Defaults to (), all.

    Raises:
        ChildProcessError: A training failed.
    """
    detections: list[dict] = []
    for file in detectors:
        checkpoint = train_to_end(file, command)
        results = file.parent / 'detections.bbox.json'
        detect(file, checkpoint, results, command)
        detections += json.loads(results.read_bytes())
    matches = match_detections(labeled.ann_file, detections)
    if classes:
        own = tuple(c for c in matches.classes if c.name in classes)
        matches = replace(matches, classes=own)
    return Scores(
        summary(matches)['AP50'],
        bootstrap(matches, RESAMPLES)['AP50'].tolist(),
    )


def judge(
    part: str, before: Scores, after: Scores, *, keep_unsure: bool
) -> Verdict:
    """What detectors with a part say of it.

    Args:
        part (str): Its name.
        before (Scores): Without it.
        after (Scores): With it, from the same folds.
        keep_unsure (bool): Keep a part of which the folds cannot tell.
    """
    low, high = bootstrap_interval({0: after.resampled}, {0: before.resampled})
    said = verdict(low, high)
    keep = said == HELPS or (said == UNSURE and keep_unsure)
    difference = after.ap50 - before.ap50
    return Verdict(part, before.ap50, difference, low, high, keep)


def report(verdicts: Sequence[Verdict], folds: int) -> str:
    """The verdicts in Markdown.

    Args:
        verdicts (Sequence[Verdict]): In the order in which parts were judged.
        folds (int): Their number.
    """
    rows = [
        f'| {v.part} | {v.without:.1f} | {v.difference:+.1f} | {v.low:+.1f} … '
        f'{v.high:+.1f} | {v.verdict} | {"yes" if v.kept else "no"} |'
        for v in verdicts
    ]
    return '\n'.join(
        [
            '# Do the parts help?',
            '',
            f'AP50 in percent on the labeled images, in {folds} '
            'folds, each judged by detectors and stages that did not see it; '
            'each part on top of those before it that were kept. The interval '
            '(95 %) is of a bootstrap over images.',
            '',
            '| part | AP50 without | difference | interval | verdict | kept |',
            '| --- | ---: | ---: | --- | --- | --- |',
            *rows,
            '',
        ]
    )
