"""Joins what formats say that have one annotation file for many images."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from ..boxes import AnnotationFile
from ..folder_names import split_in, split_of_file
from ..layout import Records, SourceFile
from ..report import Report
from ..splits import SPLITS


def split_of_list(file: SourceFile) -> str:
    """Split of a file's images: that in its name or else of its folder."""
    return split_of_file(file.path.stem) or split_in(file.label)


def in_order_of_splits(files: Iterable[SourceFile]) -> list[SourceFile]:
    """Files of train first, then of val and test, at last those of none."""
    ranks = {split: rank for rank, split in enumerate((*SPLITS, ''))}
    return sorted(files, key=lambda file: ranks[split_of_list(file)])


def join_listed(
    listed: Sequence[Sequence[tuple[SourceFile, AnnotationFile]]],
    images: Sequence[SourceFile],
    report: Report,
) -> Records:
    """Annotations by image, where one may be listed several times.

    It has the objects of all places, and the split of the first one that has
    a split. Those that say something new are added to the report.

    Args:
        listed (Sequence[Sequence[tuple[SourceFile, AnnotationFile]]]): Of
            each file its places, whose path is that of the image that they
            name, and their annotations.
        images (Sequence[SourceFile]): Images of the data set.
        report (Report): Receives the findings.
    """
    # Of several images of one name, the folder and the split may say which
    # it is. There are as many as are on disk, or as one file tells apart: all
    # but one may be missing.
    several = _repeated(image.path for image in images)
    for places in listed:
        several |= _repeated({record.path for record, _ in places})
    records: Records = {}
    first_of: dict[object, SourceFile] = {}
    for record, annotation in chain.from_iterable(listed):
        name = record.path.name
        key = (record.path, record.root) if name in several else name
        first = first_of.setdefault(key, record)
        before = records.get(first)
        if before is None:
            records[first] = annotation
            continue
        new = [o for o in annotation.objects if o not in before.objects]
        if new or (record.root and record.root != first.root):
            report.add('listed_twice', first.label, f'and {record.label}')
        records[first] = replace(before, objects=(*before.objects, *new))
    return records


def _repeated(paths: Iterable[Path]) -> set[str]:
    """Names that several of the paths end with."""
    users = Counter(path.name for path in paths)
    return {name for name, number in users.items() if number > 1}
