"""Keeps the split that a data set comes with.

It is what others have measured on, so results on it can be compared.
"""

from collections.abc import Sequence

from .collect import Sample
from .report import Report
from .splits import SPLITS


def given_splits(
    samples: Sequence[Sample], report: Report
) -> dict[str, list[str]] | None:
    """Names of the labeled images of each split, as the data set has it.

    Labeled images that are in none of its splits are added to the report.

    Returns:
        dict[str, list[str]] | None: Names in the order of ``samples``. None
        if the data set has no split, or none to train and test with, which is
        reported: images of one split alone, or no defects in train.
    """
    labeled = [sample for sample in samples if sample.boxes is not None]
    members = {
        split: [s.name for s in labeled if s.split == split]
        for split in SPLITS
    }
    if not any(members.values()):
        return None
    used = [split for split in SPLITS if members[split]]
    if len(used) == 1:
        report.add('given_split_unusable', used[0], 'holds all images')
        return None
    if not any(s.boxes for s in labeled if s.split == 'train'):
        report.add('given_split_unusable', 'train', 'holds no defects')
        return None
    for sample in labeled:
        if not sample.split:
            report.add('image_without_split', sample.label)
    return members
